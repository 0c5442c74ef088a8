"use strict";
(() => {
  // Theme: as the system, light, dark. A browser may forbid storage for files.
  const button = document.getElementById("theme");
  const themes = ["", "light", "dark"];
  const remembered = () => { try { return localStorage.getItem("2501bench-theme") || ""; } catch { return ""; } };
  const show = (theme) => {
    if (theme) document.documentElement.dataset.theme = theme; else delete document.documentElement.dataset.theme;
    button.textContent = "Theme: " + (theme || "as the system");
  };
  let theme = themes.includes(remembered()) ? remembered() : "";
  button.hidden = false;
  show(theme);
  button.addEventListener("click", () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length];
    try { localStorage.setItem("2501bench-theme", theme); } catch { /* for this page only */ }
    show(theme);
  });

  const filters = () => {
    for (const input of document.querySelectorAll("input[data-filter]")) {
      const rows = document.querySelectorAll("#" + input.dataset.filter + " > tbody > tr");
      const told = document.querySelector("[data-count='" + input.dataset.filter + "']");
      input.closest(".tools").hidden = rows.length < 8;
      input.addEventListener("input", () => {
        const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
        let shown = 0;
        for (const row of rows) {
          const text = row.textContent.toLowerCase();
          row.hidden = !words.every((word) => text.includes(word));
          shown += row.hidden ? 0 : 1;
        }
        told.textContent = words.length ? shown + " of " + rows.length : "";
      });
    }
  };
  filters();

  // On paper nothing can be unfolded.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")];
    folded.forEach((each) => { each.open = true; });
  });
  addEventListener("afterprint", () => folded.forEach((each) => { each.open = false; }));

  // Served: take over what is new, unless the reader is in the middle of something.
  if (document.body.dataset.live) {
    const news = document.getElementById("news");
    let state = null;
    const look = async () => {
      try {
        const now = await (await fetch("/state", { cache: "no-store" })).text();
        const main = document.getElementById("content");
        const busy = main.contains(document.activeElement) && document.activeElement !== main;
        const fixed = main.querySelector(".player, form") || main.querySelector("input[data-filter]:not(:placeholder-shown)");
        if (state !== null && now !== state && !busy && !fixed) {
          const page = await (await fetch(location.href, { cache: "no-store" })).text();
          const fresh = new DOMParser().parseFromString(page, "text/html").getElementById("content");
          if (fresh) {
            const open = [...main.querySelectorAll("details")].map((each) => each.open);
            main.replaceChildren(...fresh.childNodes);
            [...main.querySelectorAll("details")].forEach((each, at) => { if (open[at]) each.open = true; });
            filters();
            news.textContent = "New results were shown at " + new Date().toISOString().slice(11, 19) + ".";
          }
          state = now;
        } else if (state === null) {
          state = now;
        } else if (now !== state) {
          news.textContent = "There are new results: reload the page to see them.";
        }
      } catch {
        news.textContent = "The server does not answer.";
      }
    };
    look();
    setInterval(look, 3000);
  }
})();
