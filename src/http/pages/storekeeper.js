// Keeps pages up to date while somebody looks: the table of keepers from the server's own stream, others by reading
// them again. Without this script they are plain pages.
"use strict";

const live = document.getElementById("live");
// A server that takes longer is away.
const ANSWER_MS = 10000;

// Whoever goes by keyboard stays at the link where they are.
function replace(fragment, id) {
  const fresh = fragment.getElementById(id);
  const stale = document.getElementById(id);
  if (!fresh || !stale) return;
  const focused = stale.contains(document.activeElement) && document.activeElement.getAttribute("href");
  stale.replaceWith(document.adoptNode(fresh));
  if (!focused) return;
  for (const link of fresh.querySelectorAll("a")) {
    if (link.getAttribute("href") === focused) link.focus();
  }
}

function show(event) {
  const fragment = new DOMParser().parseFromString(event.data, "text/html");
  for (const id of ["alarms", "totals", "sparks", "states", "keepers"]) replace(fragment, id);
  live.textContent = "live, " + event.lastEventId;
  live.classList.add("on");
}

const GONE = "signed out, or gone: load the page again";
const WATCH_AGAIN_MS = 5000;
let stream;
let again;

function watch() {
  if (stream) stream.close();
  stream = new EventSource(live.dataset.source);
  stream.addEventListener("fleet", show);
  stream.addEventListener("error", () => {
    live.classList.remove("on");
    live.textContent = "reconnecting";
    // By itself it comes back from a broken connection only, not from an answer that says no.
    if (stream.readyState === EventSource.CLOSED) again = setTimeout(watchIfLetIn, WATCH_AGAIN_MS);
  });
}

async function watchIfLetIn() {
  try {
    const answer = await fetch(location.href, { signal: AbortSignal.timeout(ANSWER_MS) });
    if (answer.redirected) {
      live.textContent = GONE;
      return;
    }
  } catch {
    // The server is away, which the stream will tell.
  }
  if (!document.hidden) watch();
}

// A page that nobody sees costs the server nothing.
function watchWhileSeen() {
  if (document.hidden) {
    clearTimeout(again);
    stream.close();
    live.classList.remove("on");
    live.textContent = "resting";
  } else {
    watch();
  }
}

if (live && "EventSource" in window) {
  watch();
  document.addEventListener("visibilitychange", watchWhileSeen);
}

const REFRESH_MS = 2000;
const refreshed = document.getElementById("refreshed");

// Parts that are live are replaced; what somebody types or has opened is none of them. Whether to go on.
async function refresh() {
  if (document.hidden) return true;
  try {
    const answer = await fetch(location.href, { signal: AbortSignal.timeout(ANSWER_MS) });
    if (answer.redirected || (answer.status >= 400 && answer.status < 500)) {
      refreshed.textContent = GONE;
      return false;
    }
    if (!answer.ok) throw new Error(answer.status);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of document.querySelectorAll("[data-live]")) {
      if (!part.querySelector("details[open]")) replace(page, part.id);
    }
    refreshed.textContent = "live, " + new Date().toISOString();
  } catch {
    refreshed.textContent = "reconnecting";
  }
  return true;
}

async function refreshWhileLetIn() {
  if (await refresh()) setTimeout(refreshWhileLetIn, REFRESH_MS);
}

if (refreshed) setTimeout(refreshWhileLetIn, REFRESH_MS);
