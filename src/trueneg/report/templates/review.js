"use strict";
(() => {
  const at = (id) => document.getElementById(id);
  const make = (tag, text, name) => {
    const node = document.createElement(tag);
    if (text !== undefined) node.textContent = text;
    if (name) node.className = name;
    return node;
  };
  const data = JSON.parse(at("data").textContent);
  const cells = data.cells;
  const slot = "trueneg-review-" + data.id;
  const FIRST_VALUES = 24;
  // A key that a further round keeps: the place in the list may change, the cell does not.
  const nameOf = (cell) => JSON.stringify([cell.finding, cell.key, cell.label, cell.row]);
  const names = cells.map(nameOf);

  let place = 0;
  let reviewer = "";
  let answers = {}; // name -> { said, note }
  let stored = true;
  let exported = true;
  let everything = false; // whether all values are shown

  const said = (i) => answers[names[i]]?.said ?? "";
  const note = (i) => answers[names[i]]?.note ?? "";
  const open = () => names.filter((_, i) => !said(i)).length;

  // ---- keeping ---------------------------------------------------------------------------------------------

  const read = () => {
    const kept = JSON.parse(localStorage.getItem(slot) ?? "null");
    if (!kept || typeof kept.answers !== "object") return false;
    answers = kept.answers;
    reviewer = String(kept.reviewer ?? "");
    place = Math.max(0, Math.min(Number(kept.place) || 0, cells.length));
    return true;
  };
  const keep = () => {
    try {
      localStorage.setItem(slot, JSON.stringify({ reviewer, place, answers }));
      stored = true;
    } catch {
      stored = false;
    }
    tellKept();
  };
  const tellKept = () => {
    at("kept").textContent = stored
      ? "Every answer is kept in this browser, also when the page is reloaded or closed."
      : "";
    at("warn").hidden = stored;
    if (!stored && !at("warn").textContent) {
      at("warn").textContent =
        "This browser keeps nothing for this page: answers are lost when it is reloaded or closed. Export them before.";
    }
  };
  addEventListener("beforeunload", (event) => {
    if (!stored && !exported) event.preventDefault();
  });
  addEventListener("storage", (event) => {
    if (event.key !== slot || !event.newValue) return;
    const here = place;
    try { read(); } catch { return; }
    place = here; // another window may have answered; the place is this window's own
    show(place, { quiet: true });
  });

  // ---- showing ---------------------------------------------------------------------------------------------

  const picture = (image) => {
    if (!image) return null;
    if (!image.src) return make("p", image.alt, "quiet");
    const img = make("img");
    img.src = image.src;
    img.alt = image.alt;
    return img;
  };

  const showRow = (cell, row) => {
    const parts = [];
    const img = picture(row.image);
    if (img) parts.push(img);
    for (const [name, text] of row.texts) {
      const box = make("div");
      if (row.texts.length > 1) box.append(make("p", name, "name"));
      const body = make("p", text === "" ? "(empty)" : text, text.length > 1500 ? "text long" : "text");
      body.dir = "auto";
      if (text.length > 1500) { body.tabIndex = 0; body.setAttribute("role", "region"); body.setAttribute("aria-label", name); }
      box.append(body);
      parts.push(box);
    }
    if (row.tags) {
      const box = make("div");
      box.append(make("p", "Labels of this row", "name"));
      const tags = make("p", undefined, "tags");
      for (const tag of row.tags.length ? row.tags : ["none"]) tags.append(make("span", tag));
      box.append(tags);
      parts.push(box);
    }
    at("row").replaceChildren(...parts);
    at("row").hidden = parts.length === 0;
    return parts.length > 0;
  };

  const showNear = (cell, beside) => {
    const rich = cell.near.filter(([n]) => data.rows[n].image || data.rows[n].texts.length || data.rows[n].tags);
    at("near-list").replaceChildren(...(beside ? cell.near : []).map(([number, label]) => {
      const row = data.rows[number];
      const item = make("li");
      const img = picture(row.image);
      if (img) item.append(img);
      const body = make("div", undefined, "body");
      const chip = make("span", label, "chip");
      if (label === cell.shown[0]) chip.classList.add("given");
      if (label === cell.shown[1]) chip.classList.add("proposed");
      body.append(chip);
      if (row.trusted) body.append(make("span", "✓ trusted", "trusted"));
      for (const [name, text] of row.texts) {
        const p = make("p", text, "said");
        p.dir = "auto";
        body.append(p);
        if (text.length > 260) {
          const more = make("button", "Show all", "more");
          more.type = "button";
          more.setAttribute("aria-label", `Show all of row ${number}`);
          more.addEventListener("click", () => { item.classList.add("open"); more.remove(); });
          body.append(more);
        }
      }
      item.append(body);
      return item;
    }));
    const tiles = rich.length > 0 && rich.every(([n]) => data.rows[n].image?.src && !data.rows[n].texts.length);
    at("near-list").classList.toggle("tiles", tiles);
    const none = cell.near.length === 0 && !cell.alone;
    at("near").hidden = !(none || (beside && rich.length));
    at("near-none").hidden = !none;
    at("near-none").textContent = none ? "No labelled row is near enough to compare with." : "";
    return !none && rich.length > 0;
  };

  const valueCell = (value, name) => {
    const td = make("td", undefined, name);
    const placed = value && value[2] !== null && value[2] !== undefined;
    const text = make("span", value ? value[1] : "", placed ? "number" : undefined);
    text.dir = "auto";
    td.append(text);
    if (placed) {
      td.classList.add("placed");
      const strip = make("span", undefined, "strip");
      const mark = make("i");
      mark.style.left = `${Math.round(100 * value[2])}%`; // a property, not an attribute: the policy allows it
      strip.title = `higher than ${Math.round(100 * value[2])} % of the column`;
      strip.append(mark);
      td.append(strip);
    }
    return td;
  };

  const showValues = (cell, row) => {
    at("values").hidden = row.values.length === 0;
    if (!row.values.length) return;
    const head = make("tr");
    const first = make("th", "column");
    const mine = make("th", "this row");
    for (const th of [first, mine]) th.scope = "col";
    head.append(first, mine);
    for (const [number, label] of cell.near) {
      const th = make("th", label);
      th.scope = "col";
      th.append(make("small", data.rows[number].trusted ? "near, trusted" : "near"));
      head.append(th);
    }
    const shown = everything ? row.values : row.values.slice(0, FIRST_VALUES);
    const body = make("tbody");
    shown.forEach((value, j) => {
      const tr = make("tr");
      const th = make("th", value[0]);
      th.scope = "row";
      tr.append(th, valueCell(value, "this"), ...cell.near.map(([n]) => valueCell(data.rows[n].values[j])));
      body.append(tr);
    });
    const thead = make("thead");
    thead.append(head);
    at("table").replaceChildren(thead, body);
    at("all-values").hidden = row.values.length <= FIRST_VALUES;
    at("all-values").textContent = everything ? "Show fewer" : `Show all ${row.values.length} columns`;
  };

  const showCell = (i) => {
    const cell = cells[i];
    const row = data.rows[cell.row];
    at("where").textContent = `Row ${i + 1} of ${cells.length}`;
    at("finding").textContent = cell.finding;
    at("question").textContent = cell.question;
    at("label-box").hidden = !cell.topic;
    at("label").textContent = cell.topic ?? "";
    at("given").textContent = cell.shown[0];
    at("proposed").textContent = cell.shown[1] || "none";
    const left = showRow(cell, row);
    const right = showNear(cell, left);
    document.querySelector(".sides").hidden = !left && at("near").hidden;
    document.querySelector(".sides").classList.toggle("alone", !left || !right);
    showValues(cell, row);
    at("note").value = note(i);
    for (const word of ["accept", "reject", "unsure"]) {
      at(word).setAttribute("aria-pressed", String(said(i) === word));
    }
    at("accept-why").textContent = cell.wrong;
    at("reject-why").textContent = cell.right;
    at("back").disabled = i === 0;
  };

  const fileName = () => {
    const who = reviewer.trim().toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "");
    return `review-${who || "answers"}.csv`;
  };
  const tellNext = () => { at("next").textContent = data.next.join(fileName()); };

  const tally = () => {
    const count = { accept: 0, reject: 0, unsure: 0, open: 0 };
    cells.forEach((_, i) => { count[said(i) || "open"] += 1; });
    return count;
  };

  const showDone = () => {
    const count = tally();
    at("done-head").textContent = count.open ? `${count.open} rows are still open` : `All ${cells.length} rows are answered`;
    at("done-text").textContent = count.open
      ? "You can export now and go on later; a part of a random sample is a random sample too."
      : "Thank you. Export the answers: the next audit turns them into a figure with an interval.";
    tellNext();
    const words = { accept: "accepted: the label is wrong", reject: "rejected: the label is right", unsure: "unsure", open: "open" };
    at("tally").replaceChildren(...Object.entries(words).filter(([w]) => w !== "open" || count.open).map(([word, text]) => {
      const box = make("div");
      box.append(make("dt", text), make("dd", String(count[word])));
      return box;
    }));
  };

  const showAll = () => {
    cells.forEach((cell, i) => {
      const button = at("all").children[i].firstChild;
      button.dataset.said = said(i);
      button.setAttribute("aria-label", `Row ${i + 1}, ${said(i) || "open"}`);
      if (i === place) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    });
  };

  const show = (i, { quiet = false, spoken = "" } = {}) => {
    const moved = i !== place || at("card").hidden === at("done").hidden;
    place = i;
    const done = i >= cells.length;
    at("card").hidden = done;
    at("answer").hidden = done;
    at("done").hidden = !done;
    const answered = cells.length - open();
    at("count").textContent = `${answered} of ${cells.length} answered`;
    at("progress").max = Math.max(1, cells.length);
    at("progress").value = answered;
    if (done) showDone();
    else showCell(i);
    showAll();
    if (at("reviewer").value !== reviewer) at("reviewer").value = reviewer;
    if (quiet) return;
    if (moved) {
      const card = at(done ? "done" : "card");
      card.classList.remove("fresh");
      void card.offsetWidth;
      card.classList.add("fresh");
      scrollTo({ top: 0, behavior: "instant" });
    }
    if (done) at("done-head").focus({ preventScroll: true });
    const cell = cells[i];
    const now = done ? at("done-head").textContent : `Row ${i + 1} of ${cells.length}. ${cell.question}`;
    at("live").textContent = `${spoken} ${now}`.trim();
  };

  // ---- answering -------------------------------------------------------------------------------------------

  const write = (i, said_, note_) => {
    if (said_ || note_) answers[names[i]] = { said: said_, note: note_ };
    else delete answers[names[i]];
    exported = false;
  };
  const nextOpen = (from) => {
    for (let step = 1; step <= cells.length; step += 1) {
      const i = (from + step) % cells.length;
      if (!said(i)) return i;
    }
    return cells.length;
  };
  const judge = (word) => {
    if (place >= cells.length) return;
    write(place, word, at("note").value);
    const next = nextOpen(place);
    const spoken = `Answered: ${word}.`;
    show(next, { spoken });
    keep();
  };
  const go = (i) => {
    if (i < 0 || i > cells.length || i === place) return;
    show(i);
    keep();
  };
  for (const word of ["accept", "reject", "unsure"]) at(word).addEventListener("click", () => judge(word));
  at("back").addEventListener("click", () => go(Math.min(place, cells.length) - 1));
  at("note").addEventListener("input", () => { write(place, said(place), at("note").value); keep(); });
  at("reviewer").addEventListener("input", () => { reviewer = at("reviewer").value; exported = false; keep(); tellNext(); });
  at("all-values").addEventListener("click", () => { everything = !everything; showValues(cells[place], data.rows[cells[place].row]); });

  const KEYS = {
    a: () => judge("accept"), r: () => judge("reject"), u: () => judge("unsure"), b: () => go(place - 1),
    backspace: () => go(place - 1), arrowleft: () => go(place - 1), arrowright: () => go(place + 1),
    n: () => at("note").focus(),
  };
  addEventListener("keydown", (event) => {
    const typing = event.target.matches?.("textarea, input:not([type='checkbox'])");
    if (event.key === "Escape" && typing) { event.target.blur(); return; }
    if (typing || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.repeat) return;
    if (!at("keys").checked) return;
    const scrolls = event.key.startsWith("Arrow") && event.target.closest?.(".scroll, pre");
    const act = KEYS[event.key.toLowerCase()];
    if (!act || scrolls) return;
    event.preventDefault();
    act();
  });

  // ---- files -----------------------------------------------------------------------------------------------

  const FORMULA = /^'*[=+\-@\t\r\n＝＋－＠]/;
  const GUARDED = /^'+[=+\-@\t\r\n＝＋－＠]/;
  const guard = (text) => (FORMULA.test(text) ? `'${text}` : text);
  const unguard = (text) => (GUARDED.test(text) ? text.slice(1) : text);
  const quote = (text) => (/[",;\t\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

  const csv = () => {
    const lines = [data.columns];
    cells.forEach((cell, i) => {
      const own = { ...cell, answer: said(i), note: note(i), reviewer: reviewer.trim(), data: `blake2b:${data.data}` };
      lines.push(data.columns.map((name) => guard(String(own[name]))));
    });
    return "\ufeff" + lines.map((line) => line.map(quote).join(",") + "\r\n").join("");
  };
  const save = () => {
    const link = make("a");
    link.href = URL.createObjectURL(new Blob([csv()], { type: "text/csv;charset=utf-8" }));
    link.download = fileName();
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    exported = true;
    at("live").textContent = `Exported as ${link.download}.`;
  };
  at("export").addEventListener("click", save);
  at("done-export").addEventListener("click", save);

  const parse = (text) => {
    const head = text.split("\n", 1)[0];
    const mark = [",", ";", "\t"].reduce((a, b) => (head.split(b).length > head.split(a).length ? b : a));
    const rows = [];
    let row = [], cell = "", inside = false;
    for (let i = 0; i < text.length; i += 1) {
      const c = text[i];
      if (inside) {
        if (c !== '"') cell += c;
        else if (text[i + 1] === '"') { cell += c; i += 1; } else inside = false;
      } else if (c === '"' && cell === "") inside = true;
      else if (c === mark) { row.push(cell); cell = ""; }
      else if (c === "\n" || c === "\r") {
        if (c === "\r" && text[i + 1] === "\n") i += 1;
        row.push(cell); rows.push(row); row = []; cell = "";
      } else cell += c;
    }
    if (cell !== "" || row.length) { row.push(cell); rows.push(row); }
    return rows.filter((r) => r.some((value) => value.trim() !== ""));
  };
  const load = (text) => {
    const [head, ...lines] = parse(text.replace(/^\ufeff/, ""));
    const columns = (head ?? []).map((name) => name.trim().toLowerCase());
    for (const name of ["key", "finding", "answer", "data"]) {
      if (!columns.includes(name)) throw new Error(`it has no column "${name}"`);
    }
    const found = {};
    let who = "";
    for (const line of lines) {
      const own = Object.fromEntries(columns.map((name, j) => [name, unguard(line[j] ?? "")]));
      if (own.data.trim().replace(/^blake2b:/, "") !== data.data) throw new Error("its answers belong to other data");
      const word = own.answer.trim().toLowerCase();
      if (!["accept", "reject", "unsure", ""].includes(word)) throw new Error(`"${own.answer.slice(0, 30)}" is no answer`);
      if (who && own.reviewer && own.reviewer !== who) throw new Error("it holds the answers of several reviewers");
      who = own.reviewer || who;
      const i = cells.findIndex((cell) => cell.finding === own.finding && cell.key === own.key
        && (own.label === undefined || own.label === cell.label) && (!own.row || own.row === String(cell.row)));
      if (i < 0) throw new Error(`the row "${own.key.slice(0, 30)}" is not on this page`);
      if (word || own.note) found[names[i]] = { said: word, note: own.note ?? "" };
    }
    return { found, who };
  };
  at("import").addEventListener("click", () => at("file").click());
  at("file").addEventListener("change", async () => {
    const [file] = at("file").files;
    at("file").value = "";
    if (!file) return;
    let message;
    try {
      const { found, who } = load(await file.text());
      const clash = Object.keys(found).filter((k) => answers[k]?.said && found[k].said && answers[k].said !== found[k].said);
      if (clash.length && !confirm(`${clash.length} rows are answered otherwise here. Take the answers of the file?`)) return;
      for (const [k, value] of Object.entries(found)) {
        if (value.said || !answers[k]?.said) answers[k] = value;
      }
      reviewer = reviewer || who;
      at("warn").textContent = "";
      message = `${Object.values(found).filter((v) => v.said).length} answers were read from ${file.name}.`;
      show(nextOpen(-1), { quiet: true });
      keep();
    } catch (error) {
      message = `${file.name} was not read: ${error.message}. Give a CSV that this page exported.`;
      at("warn").textContent = message;
      at("warn").hidden = false;
    }
    at("live").textContent = message;
  });
  at("reset").addEventListener("click", () => {
    if (!confirm("Remove all answers and notes from this browser? Export them first if they count.")) return;
    answers = {};
    exported = true;
    place = -1;
    show(0);
    keep();
  });
  at("copy").addEventListener("click", async () => {
    const code = at("next");
    let done = false;
    try { await navigator.clipboard.writeText(code.textContent); done = true; } catch {
      getSelection().selectAllChildren(code);
      try { done = document.execCommand("copy"); } catch { done = false; }
    }
    at("copy").textContent = done ? "Copied" : "Selected";
    setTimeout(() => { at("copy").textContent = "Copy"; }, 1600);
  });

  // ---- beginning -------------------------------------------------------------------------------------------

  cells.forEach((_, i) => {
    const item = make("li");
    const button = make("button", String(i + 1));
    button.type = "button";
    button.addEventListener("click", () => go(i));
    item.append(button);
    at("all").append(item);
  });
  let again = false;
  try { again = read(); } catch { stored = false; }
  if (again && place < cells.length && said(place)) place = nextOpen(place - 1);
  show(place, { quiet: true });
  keep();
  if (again && cells.length - open() > 0) at("live").textContent = `Going on where you stopped: ${at("count").textContent}.`;
})();
