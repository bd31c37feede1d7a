// One reader at the desk: a film, a reading, and then, on request, what the models said.

import { Row } from "./row.js";
import { toolbar } from "./toolbar.js";
import { Viewer } from "./viewer.js";

const part = (id) => document.getElementById(id);
const form = part("reading");
const picture = part("picture"); // the tools of a picture; a row of columns has none
const viewer = picture ? new Viewer(part("film"), part("view")) : new Row(part("film"));
const { case: one, cases } = document.body.dataset; // what the task calls them
const capital = (word) => word[0].toUpperCase() + word.slice(1);

let film = null; // what the server calls the film
let entryId = null; // of the reading that is being entered; the same when it is sent again
let counted = null; // the film of this page that no longer counts among those that wait
let turn = null; // what the server said last
let busy = false;

class Refused extends Error {}
class Known extends Refused {} // the entry was saved before, and said something else

async function ask(path, body) {
  let response;
  try {
    response = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body ?? {}),
    });
  } catch {
    throw new Refused("The reading room's server does not answer.");
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) {
    const Kind = response.status === 409 ? Known : Refused;
    throw new Kind(answer.error || answer.said || `Error ${response.status}.`);
  }
  return answer;
}

function say(text) {
  part("status").textContent = text;
}

function complain(text) {
  part("problem").textContent = text;
}

// One thing at a time: a second press while the first is under way does nothing.
async function doing(text, work) {
  if (busy) return;
  busy = true;
  complain("");
  say(text);
  for (const button of document.querySelectorAll("button")) button.setAttribute("aria-disabled", "true");
  try {
    await work();
  } catch (error) {
    say("");
    complain(error.message);
    if (!(error instanceof Refused)) throw error;
  } finally {
    busy = false;
    for (const button of document.querySelectorAll("button")) button.removeAttribute("aria-disabled");
  }
}

function show(id) {
  for (const each of ["desk", "empty"]) part(each).hidden = each !== id;
}

// What was entered and not yet saved outlives a reload of the page, in this tab alone.
function keepDraft() {
  const entered = Object.fromEntries(new FormData(form));
  sessionStorage.setItem("draft", JSON.stringify({ film, entryId, entered }));
}

function takeUpDraft() {
  const draft = JSON.parse(sessionStorage.getItem("draft") ?? "null");
  if (draft?.film !== film) return;
  entryId = draft.entryId;
  for (const [name, value] of Object.entries(draft.entered)) {
    const field = form.elements[name];
    if (field) field.value = value;
  }
}

function startReading() {
  entryId = crypto.randomUUID();
  form.reset();
  form.hidden = false;
  part("after").hidden = true;
  part("output").replaceChildren();
}

function count() {
  const waiting = turn.waiting - (counted === film && film !== null ? 1 : 0);
  const unavailable = turn.unavailable ? ` ${turn.unavailable} cannot be shown: please report it.` : "";
  const unsent = turn.unsent ? ` ${turn.unsent} of your readings wait to be sent.` : "";
  part("waiting").textContent = `${capital(cases)} that wait for you: ${waiting}.${unavailable}${unsent}`;
}

async function next() {
  turn = await ask("/next");
  film = turn.film;
  count();
  viewer.clear();
  startReading();
  if (film === null) {
    show("empty");
    say(`No ${one} waits for you.`);
    part("again").focus();
    return;
  }
  show("desk");
  takeUpDraft();
  const content = await fetch(`/films/${film}`).catch(() => null);
  if (!content?.ok) throw new Refused(`The ${one} cannot be shown. Reload the page to try again.`);
  await viewer.show(await content.blob());
  say(`The next ${one} is shown.`);
  part("film").focus();
}

async function save() {
  const missing = [...form.querySelectorAll("fieldset")].find((set) => !set.querySelector(":checked"));
  if (missing) {
    missing.querySelector("input").focus();
    throw new Refused(`Not saved yet. Choose first: ${missing.querySelector("legend").textContent}.`);
  }
  keepDraft();
  const entered = Object.fromEntries(new FormData(form));
  let answer;
  try {
    answer = await ask("/readings", { film, feedback_id: entryId, ...entered });
  } catch (error) {
    if (error instanceof Known) entryId = crypto.randomUUID(); // saved again, it corrects
    throw new Refused(`Not saved: ${error.message} Your reading is still on this page; save it again.`);
  }
  sessionStorage.removeItem("draft");
  counted = film;
  count();
  part("saved").textContent = `${answer.said} ${entered.ground_truth}, ${entered.confidence}.`;
  say(answer.said);
  form.hidden = true;
  part("after").hidden = false;
  part("reveal").hidden = answer.state !== "WRITTEN";
  part("next").focus();
}

async function reveal() {
  const { output } = await ask("/probability", { film });
  const several = output.length > 1;
  const lines = output.map(({ probability, label }, number) => {
    const which = several ? `Answer ${number + 1} of ${output.length}. ` : "";
    return `${which}Probability of ${part("output").dataset.positive}: ${probability.toFixed(3)}, called ${label}.`;
  });
  const meaning =
    (several ? `This ${one} was sent ${output.length} times, and each line is the answer to one of them. ` : "") +
    `A probability of at least ${part("output").dataset.threshold} is called ${part("output").dataset.positive}. ` +
    "Which model has answered is not shown while the models are compared. Your reading stays as you saved it.";
  part("output").replaceChildren(
    ...[...lines, meaning].map((text, number) => {
      const line = document.createElement("p");
      line.textContent = text;
      line.className = number < lines.length ? "answer" : "keys";
      return line;
    }),
  );
  part("reveal").hidden = true;
  say("The models' probability is shown under your reading.");
  part("next").focus();
}

function correct() {
  const entered = new FormData(form);
  entryId = crypto.randomUUID();
  form.hidden = false;
  part("after").hidden = true;
  say("Change the reading and save it again. The first one stays on record.");
  (form.querySelector(`[value="${entered.get("ground_truth")}"]`) ?? part("save")).focus();
}

// A key chooses where nothing can be typed: on the film, and in the choices themselves.
function chooseByKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target !== part("film") && event.target.type !== "radio") return;
  const choice = form.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
  if (!choice || form.hidden) return;
  event.preventDefault();
  choice.checked = true;
  choice.focus();
  keepDraft();
}

part("desk").addEventListener("keydown", chooseByKey);
if (picture) toolbar(picture);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  doing("Saving …", save);
});
form.addEventListener("input", keepDraft);
part("next").addEventListener("click", () => doing(`Fetching the next ${one} …`, next));
part("again").addEventListener("click", () => doing(`Looking for a ${one} …`, next));
part("reveal").addEventListener("click", () => doing("Asking …", reveal));
part("correct").addEventListener("click", correct);
for (const button of document.querySelectorAll("[data-view]")) {
  button.addEventListener("click", () => viewer.change(button.dataset.view));
}

doing(`Fetching a ${one} …`, next);
