// Live reload, for pages that "sente-lite dev" serves: this script is all that
// it adds to them. It listens to the state of the folder, and reloads the page
// when that is no longer the one that the page was made from. Where only
// stylesheets have changed, they alone are loaded again.
(() => {
  "use strict";
  const tag = document.currentScript;
  const events = new URL("sente-lite-dev/events", tag.src);
  const base = new URL(".", tag.src);
  let state = tag.dataset.state;
  let source = null;
  let again = 0;

  // A hidden page needs no stream, of which a browser has six for a server; it
  // looks when it is seen again.
  function open() {
    if (source || document.hidden) return;
    source = new EventSource(events);
    source.onmessage = ({data}) => take(JSON.parse(data));
    source.onerror = () => {
      if (!source || source.readyState !== EventSource.CLOSED) return; // it tries again by itself
      close();
      again = setTimeout(open, 1000);
    };
  }

  function close() {
    clearTimeout(again);
    if (source) source.close();
    source = null;
  }

  function take(now) {
    const before = state === undefined ? now.state : state;
    state = now.state;
    if (before === now.state) return;
    if (before === now.before && now.css.length > 0 && now.css.every(swap)) return;
    close();
    location.reload();
  }

  /** Loads a stylesheet again; false where the page does not link it itself. */
  function swap(name) {
    const path = new URL(name, base).pathname;
    const links = [...document.querySelectorAll("link[rel~=stylesheet]")].filter((l) => l.href && new URL(l.href).pathname === path);
    for (const link of links) {
      const href = new URL(link.href);
      href.searchParams.set("state", state);
      link.href = href;
    }
    return links.length > 0;
  }

  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  addEventListener("pagehide", close);
  addEventListener("pageshow", open);
  open();
})();
