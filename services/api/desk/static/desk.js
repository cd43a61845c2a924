// Follows links and posts forms without leaving the page, and shows changes as they happen. Without this file the same
// links and forms work, with a new page for each.
"use strict";
(() => {
  const main = () => document.getElementById("main");
  const here = () => location.pathname + location.search;
  let source, pending, timer, again, shown = here();

  // morph changes old until it equals fresh. Elements that stay keep their focus, scroll position and unsaved input.
  function morph(old, fresh) {
    // Not old.attributes: that is a field of a form with this name, if there is one.
    for (const name of old.getAttributeNames()) {
      if (!fresh.hasAttribute(name) && !(name === "open" && old.id === fresh.id)) old.removeAttribute(name);
    }
    for (const name of fresh.getAttributeNames()) {
      const value = fresh.getAttribute(name);
      if (old.getAttribute(name) !== value && !(name === "open")) old.setAttribute(name, value);
    }
    const byID = new Map();
    for (const child of old.children) if (child.id) byID.set(child.id, child);
    let at = old.firstChild;
    for (const next of [...fresh.childNodes]) {
      let same = next.id ? byID.get(next.id) : at;
      if (same && (same.nodeName !== next.nodeName || !next.id && same.id)) same = null;
      if (!same) {
        old.insertBefore(document.importNode(next, true), at);
        continue;
      }
      if (same === at) at = at.nextSibling;
      else old.insertBefore(same, at);
      if (same.nodeType === Node.ELEMENT_NODE) morph(same, next);
      else if (same.nodeValue !== next.nodeValue) same.nodeValue = next.nodeValue;
    }
    while (at) {
      const gone = at;
      at = at.nextSibling;
      gone.remove();
    }
  }

  // show replaces the content of the page by that of the response, and goes to the fragment unless it is there: the
  // browser takes the focus away when it goes.
  async function show(response, push, hash) {
    const html = await response.text();
    if (!(response.headers.get("Content-Type") || "").startsWith("text/html")) {
      location.assign(response.url);
      return;
    }
    const page = new DOMParser().parseFromString(html, "text/html");
    const fresh = page.getElementById("main");
    if (!fresh) throw new Error("not a page");
    const url = new URL(response.url);
    if (url.pathname === location.pathname) url.hash = location.hash;
    if (push) history.pushState(null, "", url);
    shown = here();
    document.title = page.title;
    document.body.className = page.body.className;
    const top = document.querySelector("header.top"), freshTop = page.querySelector("header.top");
    if (top && freshTop) morph(top, freshTop);
    if (main().className !== fresh.className) main().replaceWith(document.importNode(fresh, true));
    else morph(main(), fresh);
    offline(false);
    ready();
    if (hash && !document.querySelector(":target")) location.replace(hash);
  }

  // offline shows since when the server does not respond, and whether the answer to a form was lost.
  function offline(is, lost) {
    const note = document.getElementById("offline");
    if (is && note.hidden) document.getElementById("offline-at").textContent = new Date().toTimeString().slice(0, 8);
    if (!is || lost) document.getElementById("offline-lost").hidden = !lost;
    note.hidden = !is;
  }

  // busy shows that the page waits for the server.
  function busy(is) {
    document.getElementById("loading").hidden = !is;
    if (is) main().setAttribute("aria-busy", "true");
    else main().removeAttribute("aria-busy");
  }

  // visit shows the page at the URL, and tries again while the server does not respond. A later visit replaces it.
  async function visit(url, options = {}, push = true) {
    clearTimeout(again);
    if (pending) pending.abort();
    const mine = pending = new AbortController();
    const slow = push && setTimeout(busy, 300, true);
    try {
      const response = await fetch(url, { ...options, signal: mine.signal, headers: { Accept: "text/html" } });
      if (pending === mine) await show(response, push, push && new URL(url, location).hash);
    } catch (error) {
      if (error.name !== "AbortError") {
        offline(true, options.method === "POST");
        if (options.method !== "POST") again = setTimeout(visit, 2000, url, options, push);
      }
    } finally {
      clearTimeout(slow);
      if (pending === mine) {
        pending = null;
        busy(false);
      }
    }
  }

  // refresh shows the current page as it is now, unless the user is just going elsewhere.
  function refresh() {
    if (timer) return;
    timer = setTimeout(() => {
      timer = null;
      if (!pending) visit(location.href, {}, false);
    }, 250);
  }

  // listen follows the events of the page. The browser connects again by itself; the server then sends what was missed.
  function listen() {
    const url = main().dataset.events;
    if (source && source.desk === url) return;
    if (source) source.close();
    source = null;
    if (!url) return;
    source = new EventSource(url);
    source.desk = url;
    source.onmessage = (event) => { if (event.lastEventId !== main().dataset.seen) refresh(); };
    source.onopen = () => offline(false);
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED) {
        source = null;
        setTimeout(refresh, 2000);
      }
      if (document.visibilityState === "visible") offline(true);
    };
  }

  // ready prepares the page after each change.
  function ready() {
    listen();
    count();
    for (const form of document.querySelectorAll("form[data-seconds]")) {
      if (form.dataset.runs) continue;
      form.dataset.runs = "yes";
      setTimeout(() => form.remove(), form.dataset.seconds * 1000);
    }
    const current = document.querySelector(".map tr[aria-current]");
    if (current && location.hash === "#mapping") current.scrollIntoView({ block: "nearest" });
  }

  // count shows how many mappings are selected on the buttons that act on them.
  function count() {
    const bulk = document.querySelector(".bulk");
    if (!bulk) return;
    const n = document.querySelectorAll("input[name=ids]:checked").length;
    for (const place of bulk.querySelectorAll("[data-count]")) place.textContent = n.toLocaleString("en");
    bulk.hidden = n === 0;
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href]");
    if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
    if (link.hasAttribute("download") || link.target || link.origin !== location.origin) return;
    const url = new URL(link.href);
    if (url.pathname === location.pathname && url.search === location.search && url.hash) return;
    event.preventDefault();
    visit(link.href);
  });

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.id === "signin" || form.action.endsWith("/signout")) return;
    event.preventDefault();
    const data = new FormData(form, event.submitter);
    if (form.method === "get") {
      const url = new URL(form.action);
      for (const [name, value] of data) if (value !== "") url.searchParams.set(name, value);
      visit(url);
      return;
    }
    const files = [...data.values()].some((value) => value instanceof File);
    visit(form.action, { method: "POST", body: files ? data : new URLSearchParams(data) });
  });

  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
    if (event.target.matches("[data-all]")) {
      for (const box of document.querySelectorAll("input[name=ids]")) box.checked = event.target.checked;
    }
    if (event.target.id === "use-keys") localStorage.setItem("keys", event.target.checked ? "on" : "off");
    count();
  });
  document.addEventListener("reset", () => setTimeout(count));
  addEventListener("popstate", () => { if (here() !== shown) visit(location.href, {}, false); });

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const typing = event.target instanceof Element && event.target.matches("input:not([type=checkbox]):not([type=radio]), textarea, select");
    if (typing) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (localStorage.getItem("keys") === "off" && event.key !== "Escape") return;
    if (event.key === "x") {
      const box = document.querySelector(".map tr[aria-current] input[name=ids]");
      if (box) {
        box.checked = !box.checked;
        count();
      }
      return;
    }
    const control = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (!control || event.key === "Escape" && !control.offsetParent) return;
    event.preventDefault();
    if (control.matches("input, textarea")) control.focus();
    else control.click();
  });

  addEventListener("DOMContentLoaded", () => {
    const form = document.getElementById("signin");
    if (form && location.hash.split(".").length === 3) {
      form.token.value = decodeURIComponent(location.hash.slice(1));
      history.replaceState(null, "", location.pathname + location.search);
      form.submit();
      return;
    }
    // The browser keeps the fragment of the page from which it was sent here.
    if (form && form.next.value) form.next.value += location.hash;
    const keys = document.getElementById("use-keys");
    if (keys) keys.checked = localStorage.getItem("keys") !== "off";
    ready();
  });
})();
