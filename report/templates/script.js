// Sorting, copying, enlarging, unfolding and the theme. The page reads in full without any of it.
"use strict";

// Sorting: best first, then the reverse, then the paper's order again. Rows stay inside their group, missing values stay last.
for (const table of document.querySelectorAll("table.sortable")) {
  const bodies = Array.from(table.tBodies, (body) => ({ body, rows: Array.from(body.rows) }));
  const first = table.tHead.rows[0].querySelectorAll("th[rowspan]").length;
  const heads = Array.from(table.tHead.rows[1].cells);
  heads.forEach((head, index) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    let turns = 0;
    button.addEventListener("click", () => {
      turns = head.hasAttribute("aria-sort") ? (turns + 1) % 3 : 1;
      for (const other of heads) other.removeAttribute("aria-sort");
      const upward = (head.dataset.better === "lower") === (turns === 1);
      if (turns) head.setAttribute("aria-sort", upward ? "ascending" : "descending");
      for (const { body, rows } of bodies) {
        const title = rows.filter((row) => row.classList.contains("group"));
        const lines = rows.filter((row) => !row.classList.contains("group"));
        body.append(...title, ...(turns ? sorted(lines, first + index, upward ? 1 : -1) : lines));
      }
    });
  });
}

function sorted(rows, column, direction) {
  const value = (row) => (row.cells[column].dataset.v === undefined ? null : Number(row.cells[column].dataset.v));
  return rows.slice().sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    if (x === null || y === null) return (x === null) - (y === null);
    return direction * (x - y);
  });
}

// Copying: a button in each block of text that is meant to be taken away.
for (const block of document.querySelectorAll("pre.copy")) {
  const holder = document.createElement("div");
  holder.className = "held";
  block.replaceWith(holder);
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  button.setAttribute("aria-label", "Copy: " + block.getAttribute("aria-label"));
  button.addEventListener("click", () => {
    navigator.clipboard.writeText(block.textContent).then(
      () => { button.textContent = "Copied"; },
      () => { getSelection().selectAllChildren(block); },
    );
  });
  holder.append(block, button);
}

// Enlarging: a figure fills the window, by its button or a click on it. The browser's own dialog keeps the focus, closes by Esc and gives the focus back.
const zoom = document.createElement("dialog");
zoom.className = "zoom";
const closer = document.createElement("button");
closer.type = "button";
closer.textContent = "Close";
closer.addEventListener("click", () => zoom.close());
// A click beside the picture closes too.
zoom.addEventListener("click", (event) => { if (event.target === zoom) zoom.close(); });
document.body.append(zoom);

const headings = Array.from(document.querySelectorAll("h2, h3, h4"));
for (const picture of document.querySelectorAll("figure img")) {
  const before = headings.filter((heading) => heading.compareDocumentPosition(picture) & Node.DOCUMENT_POSITION_FOLLOWING);
  const name = before[before.length - 1].textContent;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "enlarge";
  button.textContent = "Enlarge";
  button.setAttribute("aria-label", "Enlarge " + name);
  button.setAttribute("aria-haspopup", "dialog");
  const open = () => {
    zoom.replaceChildren(closer, picture.cloneNode());
    zoom.setAttribute("aria-label", name);
    button.focus(); // where the focus returns
    zoom.showModal();
    zoom.scrollTo(0, 0);
  };
  button.addEventListener("click", open);
  picture.addEventListener("click", open);
  picture.classList.add("enlargeable");
  picture.closest(".plate").after(button);
}

// Unfolding: all of a section at once, and back.
for (const section of document.querySelectorAll(".folds")) {
  const folded = Array.from(section.querySelectorAll(".item, .quirk"));
  const button = document.createElement("button");
  button.type = "button";
  button.className = "unfold";
  const label = (open) => { button.textContent = open ? "Fold all" : "Unfold all"; };
  button.setAttribute("aria-describedby", section.getAttribute("aria-labelledby"));
  button.addEventListener("click", () => {
    const open = folded.some((details) => !details.open);
    for (const details of folded) details.open = open;
    label(open);
  });
  label(false);
  section.querySelector("h2").after(button);
}

// Theme: as the system says, light, or dark; remembered where the browser allows it.
const THEMES = ["auto", "light", "dark"];
const theme = document.createElement("button");
theme.type = "button";
theme.className = "theme";
function setTheme(name) {
  theme.textContent = "Theme: " + name;
  theme.value = name;
  if (name === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  try { localStorage.setItem("sra-theme", name); } catch { /* files may not store */ }
}
let stored = null;
try { stored = localStorage.getItem("sra-theme"); } catch { /* files may not store */ }
setTheme(THEMES.includes(stored) ? stored : "auto");
theme.addEventListener("click", () => setTheme(THEMES[(THEMES.indexOf(theme.value) + 1) % 3]));
document.querySelector(".facts-line").append(" ", theme);

// Printing: closed details would be missing on paper; receipts stay closed, they are for the screen.
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details:not(.receipt)")) details.open = true;
});
