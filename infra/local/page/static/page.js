// Fetches what changes, five seconds after the last time, while somebody looks. What is open stays
// open, what is scrolled stays where it is, and the focus on what has it.
const live = document.getElementById("live");
const status = document.getElementById("status");
const said = status.textContent;
const STOPS = "summary, a, .scroll";

const nameOf = (it) =>
  it.getAttribute("aria-label") ?? it.getAttribute("href") ?? it.parentElement.dataset.name;

function isSelecting() {
  const selection = getSelection();
  return !selection.isCollapsed && live.contains(selection.anchorNode);
}

function replace(fresh) {
  const open = new Set([...live.querySelectorAll("details[open]")].map((it) => it.dataset.name));
  const scrolled = new Map([...live.querySelectorAll(".scroll")].map((it) => [nameOf(it), it.scrollLeft]));
  const focused = live.contains(document.activeElement) ? nameOf(document.activeElement) : null;
  live.replaceChildren(...fresh);
  for (const it of live.querySelectorAll("details")) it.open = open.has(it.dataset.name);
  for (const it of live.querySelectorAll(".scroll")) it.scrollLeft = scrolled.get(nameOf(it)) ?? 0;
  if (focused !== null) {
    const stop = [...live.querySelectorAll(STOPS)].find((it) => nameOf(it) === focused);
    stop?.focus({ preventScroll: true });
  }
}

async function refresh() {
  if (document.hidden || isSelecting()) return;
  try {
    const answer = await fetch("/page/live");
    if (!answer.ok) throw new Error(`${answer.status}`);
    const parsed = new DOMParser().parseFromString(await answer.text(), "text/html");
    replace(parsed.body.childNodes);
    if (status.textContent !== said) status.textContent = said;
  } catch (problem) {
    status.textContent = `The workspace does not answer (${problem.message}); what is shown is old.`;
  }
}

async function keepFresh() {
  await refresh();
  setTimeout(keepFresh, 5000);
}

setTimeout(keepFresh, 5000);
