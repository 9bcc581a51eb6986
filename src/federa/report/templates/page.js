"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const figures = [...document.querySelectorAll(".chart")];
  const drawn = new Map(); // figure: what vegaEmbed gave, or its promise
  const states = new Map(); // section: which methods are left out, and which stands out

  const stateOf = (element) => {
    const setting = element.closest("section");
    if (!states.has(setting)) states.set(setting, { hidden: [], focus: "" });
    return states.get(setting);
  };

  function specOf(figure) {
    const { spec, rows } = data.charts[figure.dataset.chart];
    const values = figure.rows ?? data.rows[rows];
    const description = figure.words ?? spec.description;
    const copy = structuredClone({ ...spec, description, data: { values } });
    const state = stateOf(figure);
    for (const param of copy.params ?? []) {
      if (param.name in state) param.value = state[param.name];
    }
    return copy;
  }

  async function draw(figure) {
    if (drawn.has(figure)) return drawn.get(figure);
    const options = {
      config: data.config,
      actions: false,
      ast: true, // no code from strings, which the page's policy forbids
      defaultStyle: false,
      renderer: "svg",
      tooltip: { disableDefaultStyle: true },
    };
    const promise = vegaEmbed(figure.querySelector(".canvas"), specOf(figure), options);
    drawn.set(figure, promise);
    const result = await promise;
    figure.view = result.view;
    return result;
  }

  async function redraw(figure) {
    const before = await drawn.get(figure);
    before?.finalize();
    figure.view = undefined;
    drawn.delete(figure);
    return draw(figure);
  }

  async function apply(setting, changed) {
    const state = stateOf(setting);
    for (const figure of setting.querySelectorAll(".chart")) {
      const names = (data.charts[figure.dataset.chart].spec.params ?? []).map((one) => one.name);
      if (!figure.view || !names.includes(changed)) continue;
      await figure.view.signal(changed, state[changed]).runAsync();
    }
  }

  for (const button of document.querySelectorAll(".legend button")) {
    const setting = button.closest("section");
    const { method } = button.dataset;
    const state = stateOf(button);
    const stand = (focus) => {
      state.focus = state.hidden.includes(method) ? "" : focus;
      apply(setting, "focus");
    };
    button.addEventListener("click", () => {
      const hide = !state.hidden.includes(method);
      state.hidden = hide
        ? [...state.hidden, method]
        : state.hidden.filter((other) => other !== method);
      button.setAttribute("aria-pressed", String(!hide));
      stand(hide ? "" : method);
      apply(setting, "hidden");
    });
    button.addEventListener("pointerenter", () => stand(method));
    button.addEventListener("pointerleave", () => stand(""));
    button.addEventListener("focus", () => stand(method));
    button.addEventListener("blur", () => stand(""));
  }

  for (const controls of document.querySelectorAll("[data-curves]")) {
    const anchor = controls.dataset.curves;
    const figure = document.querySelector(`[data-chart="${anchor}-score-by-rounds"]`);
    const log = controls.querySelector("[type=checkbox]");
    const named = (axis, scale) => `${anchor}-score-by-${axis}${scale}`;
    controls.addEventListener("change", () => {
      const axis = controls.querySelector(":checked").value;
      log.disabled = !(named(axis, "-log") in data.charts);
      figure.dataset.chart = named(axis, log.checked && !log.disabled ? "-log" : "");
      redraw(figure);
    });
  }

  for (const select of document.querySelectorAll("[data-layers]")) {
    const anchor = select.dataset.layers;
    const { rounds, values } = data.layers[anchor];
    select.addEventListener("change", () => {
      for (const [quantity, layers] of Object.entries(values)) {
        const name = `${anchor}-diagnostics-${quantity.replace("_", "-")}`;
        const figure = document.querySelector(`[data-chart="${name}"]`);
        const ofMethods = Object.entries(layers[select.value] ?? {});
        figure.rows = ofMethods
          .flatMap(([method, ys]) => ys.map((y, place) => ({ method, x: rounds[method][place], y })))
          .filter(({ y }) => y !== null);
        figure.words = `${figure.querySelector("h4").textContent} against rounds, ${select.value}.`;
        redraw(figure);
      }
    });
  }

  const root = document.documentElement;
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  document.getElementById("theme").addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : prefersDark.matches;
    root.dataset.theme = dark ? "light" : "dark";
  });

  document.getElementById("copy")?.addEventListener("click", async ({ target }) => {
    const commands = document.getElementById("commands");
    try {
      await navigator.clipboard.writeText(commands.textContent);
      target.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(commands); // the reader can still copy what is selected
      target.textContent = "Selected";
    }
  });

  const contents = document.getElementById("contents");
  const wide = matchMedia("(min-width: 62rem)");
  const unfold = () => { contents.open = wide.matches; };
  wide.addEventListener("change", unfold);
  unfold();
  const links = new Map(
    [...document.querySelectorAll("nav a")].map((link) => [link.getAttribute("href").slice(1), link]),
  );
  const reading = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      const link = links.get(target.id);
      if (isIntersecting) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  }, { rootMargin: "-20% 0px -79% 0px" });
  for (const id of links.keys()) reading.observe(document.getElementById(id));

  const nearing = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) if (isIntersecting) draw(target).catch(console.error);
  }, { rootMargin: "600px" });
  for (const figure of figures) nearing.observe(figure);
  // On paper letters keep their size: charts are laid out anew instead of being shrunk.
  const paperWidth = (figure) => {
    if (figure.closest(".grid")) return 320;
    const [first] = figure.closest(".beside")?.children ?? [];
    return !first ? 660 : first === figure ? 490 : 150;
  };
  addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("main details")) details.open = true;
    for (const figure of figures) {
      draw(figure).then(({ view }) => view.width(paperWidth(figure)).runAsync());
    }
  });
  addEventListener("afterprint", () => dispatchEvent(new Event("resize")));
  (async () => {
    for (const figure of figures) { // the rest, while nobody waits for it
      await new Promise((done) => setTimeout(done));
      await draw(figure).catch(console.error);
    }
    root.dataset.charts = "drawn";
  })();
})();
