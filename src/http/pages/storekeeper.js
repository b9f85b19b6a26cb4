// Keeps the table of keepers up to date from the server's own stream. Without this script the page is a plain table.
"use strict";

const live = document.getElementById("live");

function replace(fragment, id) {
  const fresh = fragment.getElementById(id);
  const stale = document.getElementById(id);
  if (fresh && stale) stale.replaceWith(document.adoptNode(fresh));
}

function show(event) {
  const fragment = new DOMParser().parseFromString(event.data, "text/html");
  replace(fragment, "alarms");
  replace(fragment, "totals");
  replace(fragment, "keepers");
  live.textContent = "live, " + event.lastEventId;
  live.classList.add("on");
}

if (live && "EventSource" in window) {
  const stream = new EventSource(live.dataset.source);
  stream.addEventListener("fleet", show);
  stream.addEventListener("error", () => {
    live.classList.remove("on");
    live.textContent = "reconnecting";
  });
}
