
"use strict";
(() => {
  const all = (query, root = document) => Array.from(root.querySelectorAll(query));

  // Copy buttons appear only where they can work.
  for (const button of all(".copy")) {
    const code = button.parentElement.querySelector("code");
    button.hidden = false;
    button.addEventListener("click", async () => {
      let done = false;
      try {
        await navigator.clipboard.writeText(code.textContent);
        done = true;
      } catch {
        getSelection().selectAllChildren(code);
        try { done = document.execCommand("copy"); } catch { done = false; }
      }
      button.textContent = done ? "Copied" : "Selected";
      setTimeout(() => { button.textContent = "Copy"; }, 1600);
    });
  }

  // Tooltips are the marks' own aria-labels.
  const tip = document.getElementById("tip");
  const show = (event) => {
    const mark = event.target.closest?.(".role-mark [aria-label]");
    tip.hidden = !mark;
    if (!mark) return;
    tip.textContent = mark.getAttribute("aria-label");
    const room = document.documentElement.clientWidth - tip.offsetWidth - 8;
    tip.style.left = Math.max(8, Math.min(event.clientX + 12, room)) + "px";
    tip.style.top = Math.max(8, event.clientY - tip.offsetHeight - 12) + "px";
  };
  for (const drawing of all(".drawing")) {
    drawing.addEventListener("pointermove", show);
    drawing.addEventListener("pointerdown", show);
    drawing.addEventListener("pointerleave", () => { tip.hidden = true; });
  }
  addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });
  addEventListener("keydown", (event) => { if (event.key === "Escape") tip.hidden = true; });

  // Paper cannot be clicked: everything folded is printed open, and folded again after.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = all("details:not([open])");
    for (const part of folded) part.open = true;
  });
  addEventListener("afterprint", () => {
    for (const part of folded) part.open = false;
  });

  const table = document.getElementById("suspect-table");
  if (!table) return;
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const heads = all("th[aria-sort]", table);
  const order = new Map(rows.map((row, i) => [row, i]));

  const key = (row, j, numeric) => {
    const cell = row.cells[j];
    if (!numeric) return cell.textContent;
    return cell.dataset.value === "" ? NaN : Number(cell.dataset.value);
  };
  heads.forEach((head) => {
    const j = head.cellIndex; // a column of pictures cannot be sorted
    head.querySelector("button").addEventListener("click", () => {
      const now = head.getAttribute("aria-sort");
      const numeric = head.classList.contains("num");
      // Third press: the order of the report again.
      const next = now === "none" ? "ascending" : now === "ascending" ? "descending" : "none";
      for (const other of heads) other.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", next);
      const sign = next === "descending" ? -1 : 1;
      const sorted = rows.slice().sort((a, b) => {
        if (next === "none") return order.get(a) - order.get(b);
        const x = key(a, j, numeric), y = key(b, j, numeric);
        if (numeric && (Number.isNaN(x) || Number.isNaN(y))) return Number.isNaN(x) - Number.isNaN(y);
        const c = numeric ? x - y : x.localeCompare(y, undefined, { numeric: true });
        return sign * c || order.get(a) - order.get(b);
      });
      body.append(...sorted);
    });
  });

  const filter = document.getElementById("filter");
  const count = document.getElementById("count");
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const apply = () => {
    const wanted = filter.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, i) => {
      row.hidden = !wanted.every((word) => texts[i].includes(word));
      shown += row.hidden ? 0 : 1;
    });
    // Paper shows the filter only while it hides something, so that a part is never taken for the whole.
    filter.closest(".filter").toggleAttribute("data-active", wanted.length > 0);
    count.textContent = wanted.length ? `${shown} of ${rows.length} rows` : "";
  };
  filter.closest(".filter").hidden = false;
  filter.addEventListener("input", apply);
  apply();
})();
