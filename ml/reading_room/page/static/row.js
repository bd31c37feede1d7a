// Shows a row of named columns in a table, in the place of a film.

export class Row {
  #table;

  constructor(table) {
    this.#table = table;
  }

  clear() {
    this.#table.replaceChildren();
  }

  async show(content) {
    const { columns } = JSON.parse(await content.text());
    this.#table.replaceChildren(
      ...columns.map(([name, value]) => {
        const line = document.createElement("tr");
        const head = document.createElement("th");
        const cell = document.createElement("td");
        head.scope = "row";
        head.textContent = name;
        cell.textContent = value ?? "not known";
        line.append(head, cell);
        return line;
      }),
    );
  }
}
