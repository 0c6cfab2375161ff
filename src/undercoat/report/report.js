// Adds to a page that is complete without it: tips near the pointer, arrow keys along a chart, copy buttons.
"use strict";
(() => {
  const tip = document.getElementById("tip");

  function hide(chart) {
    tip.hidden = true;
    chart.querySelectorAll(".active").forEach((mark) => mark.classList.remove("active"));
  }

  function show(chart, mark) {
    hide(chart);
    mark.classList.add("active");
    tip.textContent = mark.dataset.tip;
    tip.hidden = false;
    const at = mark.getBoundingClientRect();
    const own = tip.getBoundingClientRect();
    const left = Math.min(Math.max(8, at.x + at.width / 2 - own.width / 2), innerWidth - own.width - 8);
    const above = at.y - own.height - 10;
    tip.style.left = `${left}px`;
    tip.style.top = `${above > 4 ? above : at.bottom + 10}px`;
  }

  function nearest(marks, event) {
    let best = null;
    let least = 28; // pixels: farther away, nothing is meant
    for (const mark of marks) {
      const box = mark.getBoundingClientRect();
      const far = Math.hypot(box.x + box.width / 2 - event.clientX, box.y + box.height / 2 - event.clientY);
      if (far < least) [best, least] = [mark, far];
    }
    return best;
  }

  function steps(key) {
    return { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[key];
  }

  document.querySelectorAll("svg.chart").forEach((chart) => {
    const marks = [...chart.querySelectorAll(".mark")];
    let at = -1;
    for (const mark of marks) {
      const title = mark.querySelector("title");
      if (!title) continue;
      mark.dataset.tip = title.textContent;
      title.remove(); // the browser's own, slower tip would cover ours
    }
    chart.querySelector(":scope > title")?.remove(); // its aria-label says the same
    const said = marks.filter((mark) => mark.dataset.tip);
    const point = (event) => {
      const mark = nearest(said, event);
      if (mark) show(chart, mark);
      else hide(chart);
    };
    chart.addEventListener("pointermove", point);
    chart.addEventListener("pointerdown", point);
    chart.addEventListener("pointerleave", () => hide(chart));
    chart.addEventListener("blur", () => hide(chart));
    chart.addEventListener("keydown", (event) => {
      if (event.key === "Escape") hide(chart);
      const step = steps(event.key);
      if (!step || !said.length) return;
      event.preventDefault();
      at = Math.min(Math.max(at + step, 0), said.length - 1);
      show(chart, said[at]);
    });
  });

  document.querySelectorAll("pre.copy").forEach((block) => {
    if (!navigator.clipboard) return;
    const row = document.createElement("div");
    row.className = "copied";
    block.replaceWith(row);
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(block.textContent);
        button.textContent = "Copied";
      } catch {
        button.textContent = "Select it, then copy";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 1600);
    });
    row.append(block, button);
  });

  addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });
})();
