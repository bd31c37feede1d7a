// Shows a film on a canvas: window and level by a table over the 256 greys, zoom and movement.

const STEP = 16;
const ZOOM = 1.25;
const MOST_ZOOM = 16;
const WHOLE = Object.freeze({ zoom: 1, x: 0, y: 0, window: 256, level: 128, inverted: false });

const KEYS = Object.freeze({
  "+": "zoomIn", "=": "zoomIn", "-": "zoomOut",
  ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down",
  w: "wider", s: "narrower", e: "higher", d: "lower", i: "invert", 0: "reset",
});

const CHANGES = Object.freeze({
  zoomIn: (v) => ({ zoom: Math.min(v.zoom * ZOOM, MOST_ZOOM) }),
  zoomOut: (v) => ({ zoom: Math.max(v.zoom / ZOOM, 1) }),
  left: (v) => ({ x: v.x + 0.1 / v.zoom }),
  right: (v) => ({ x: v.x - 0.1 / v.zoom }),
  up: (v) => ({ y: v.y + 0.1 / v.zoom }),
  down: (v) => ({ y: v.y - 0.1 / v.zoom }),
  wider: (v) => ({ window: Math.min(v.window + STEP, 512) }),
  narrower: (v) => ({ window: Math.max(v.window - STEP, STEP) }),
  higher: (v) => ({ level: Math.min(v.level + STEP, 256) }),
  lower: (v) => ({ level: Math.max(v.level - STEP, 0) }),
  invert: (v) => ({ inverted: !v.inverted }),
  reset: () => WHOLE,
});

// Two digits that count, and no more than a reader can tell.
const figure = (value) => (value >= 10 ? value.toFixed(0) : value.toPrecision(2));

export class Viewer {
  #canvas;
  #said;
  #view = WHOLE;
  #greys = null; // of the film, one byte a pixel
  #image = null; // the pixels of the canvas below
  #film = document.createElement("canvas"); // the film through its window

  constructor(canvas, said) {
    this.#canvas = canvas;
    this.#said = said;
    canvas.addEventListener("keydown", (event) => {
      const change = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
      if (!change || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      this.change(change);
    });
    new ResizeObserver(() => this.#draw()).observe(canvas);
  }

  // The film in a PNG of grey values.
  async show(blob) {
    const bitmap = await createImageBitmap(blob);
    this.#film.width = bitmap.width;
    this.#film.height = bitmap.height;
    const context = this.#film.getContext("2d", { willReadFrequently: true });
    context.drawImage(bitmap, 0, 0);
    this.#image = context.getImageData(0, 0, bitmap.width, bitmap.height);
    this.#greys = this.#image.data.filter((_, index) => index % 4 === 0);
    bitmap.close();
    this.change("reset");
  }

  clear() {
    this.#greys = null;
    this.#view = WHOLE;
    this.#draw();
    this.#said.textContent = "";
  }

  change(name) {
    if (this.#greys === null) return;
    this.#view = { ...this.#view, ...CHANGES[name](this.#view) };
    const reach = 0.5 - 0.5 / this.#view.zoom; // the film's edge stops at the canvas's middle line
    this.#view.x = Math.max(-reach, Math.min(reach, this.#view.x));
    this.#view.y = Math.max(-reach, Math.min(reach, this.#view.y));
    this.#window();
    this.#draw();
  }

  // In pixels of the page: that is what a reader sees, whatever the screen's density.
  #say(magnification) {
    const { zoom, window, level, inverted } = this.#view;
    const part = zoom > 1 ? `, zoomed ${zoom.toFixed(2)} ×` : ", the whole film";
    this.#said.textContent =
      `${this.#film.width} × ${this.#film.height} pixels, magnified ${figure(magnification)} ×${part}, ` +
      `window ${window}, level ${level}${inverted ? ", inverted" : ""}`;
  }

  #window() {
    const { window, level, inverted } = this.#view;
    const shade = Uint8ClampedArray.from({ length: 256 }, (_, grey) => {
      const value = Math.max(0, Math.min(255, (255 * (grey - level + window / 2)) / window));
      return inverted ? 255 - value : value;
    });
    // A pixel is written as one number of 32 bits: red, green, blue, and opaque.
    const colour = Uint32Array.from(
      shade,
      (value) => new Uint32Array(Uint8Array.of(value, value, value, 255).buffer)[0],
    );
    const pixels = new Uint32Array(this.#image.data.buffer);
    for (let pixel = 0; pixel < pixels.length; pixel += 1) pixels[pixel] = colour[this.#greys[pixel]];
    this.#film.getContext("2d").putImageData(this.#image, 0, 0);
  }

  #draw() {
    const density = window.devicePixelRatio || 1;
    const width = Math.round(this.#canvas.clientWidth * density);
    const height = Math.round(this.#canvas.clientHeight * density);
    if (this.#canvas.width !== width) this.#canvas.width = width;
    if (this.#canvas.height !== height) this.#canvas.height = height;
    const context = this.#canvas.getContext("2d");
    context.clearRect(0, 0, width, height);
    if (this.#greys === null) return;
    const { zoom, x, y } = this.#view;
    const scale = zoom * Math.min(width / this.#film.width, height / this.#film.height);
    this.#say(scale / density);
    const [shownWidth, shownHeight] = [this.#film.width * scale, this.#film.height * scale];
    context.imageSmoothingQuality = "high";
    context.drawImage(
      this.#film,
      width / 2 - shownWidth / 2 + x * shownWidth,
      height / 2 - shownHeight / 2 + y * shownHeight,
      shownWidth,
      shownHeight,
    );
  }
}
