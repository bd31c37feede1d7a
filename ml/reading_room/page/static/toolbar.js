// A row of buttons that is one stop of the Tab key; the arrows lead from one button to the next.

const STEPS = Object.freeze({ ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 });

export function toolbar(row) {
  const buttons = [...row.querySelectorAll("button")];
  const stop = (at) => buttons.forEach((button) => { button.tabIndex = button === at ? 0 : -1; });
  stop(buttons[0]);
  row.addEventListener("focusin", (event) => stop(event.target));
  row.addEventListener("keydown", (event) => {
    const last = buttons.length - 1;
    const here = buttons.indexOf(event.target);
    const to = { Home: 0, End: last }[event.key] ?? here + STEPS[event.key];
    if (Number.isNaN(to)) return;
    event.preventDefault();
    buttons[(to + buttons.length) % buttons.length].focus();
  });
}
