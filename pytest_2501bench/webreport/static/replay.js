"use strict";
(() => {
  // A terminal is only made when its session is unfolded: a page may have hundreds.
  const mount = (place) => {
    if (place.dataset.mounted) return;
    place.dataset.mounted = "1";
    const data = JSON.parse(document.getElementById(place.dataset.cast).textContent);
    AsciinemaPlayer.create({ data }, place, {
      fit: "width", idleTimeLimit: 2, preload: true, poster: "npt:0:1", terminalFontSize: "14px",
    });
  };
  const places = (within) => within.querySelectorAll(":scope > .player");
  for (const each of document.querySelectorAll("details.replay")) {
    if (each.open) places(each).forEach(mount);
    each.addEventListener("toggle", () => { if (each.open) places(each).forEach(mount); });
  }
})();
