"""Parts of the ``segmentation`` readout: the network, and its training."""
