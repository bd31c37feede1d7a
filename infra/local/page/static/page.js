// Fetches what changes, every five seconds while somebody looks; what is open stays open.
const live = document.getElementById("live");
const status = document.getElementById("status");
const said = status.textContent;

function opened() {
  return new Set(
    [...live.querySelectorAll("details[open]")].map((it) => it.dataset.name),
  );
}

async function refresh() {
  if (document.hidden || live.contains(document.activeElement)) return;
  try {
    const answer = await fetch("/page/live");
    if (!answer.ok) throw new Error(`${answer.status}`);
    const open = opened();
    const text = await answer.text();
    const fresh = new DOMParser().parseFromString(text, "text/html");
    live.replaceChildren(...fresh.body.childNodes);
    for (const it of live.querySelectorAll("details")) {
      it.open = open.has(it.dataset.name);
    }
    status.textContent = said;
  } catch (problem) {
    status.textContent = `The workspace does not answer (${problem.message}); what is shown is old.`;
  }
}

setInterval(refresh, 5000);
