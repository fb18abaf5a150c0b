// The demo page: rooms, direct messages, who is connected over what, and what the link is doing.
//
// The sidecar's side of it answers the calls demo/peers, demo/name, demo/history and demo/info, takes the event
// demo/say, and publishes to the room and to the channel demo/peers. A page whose sidecar lacks any of that still
// works with what is there. What others send is only ever put into text nodes.

import {cuttable, flow} from "./flow.js";
import {age, clock, el, fill, hue, kept, madeUp, millis, timeOf} from "./page.js";
import {drawPaste, pasteLines} from "./paste.js";
import {gap, lastRtt, measure} from "./rtt.js";

/* global SenteLite */

const base = new URL(".", import.meta.url);
const KEPT = 200; // messages of a room, lines of a thread
const LATE_MS = 400; // a blink shorter than this is not worth a banner
const CHANNEL = /^[\p{L}\p{N}._-]{1,32}$/u; // also what is safe between quotes in a shell

const $ = (id) => document.getElementById(id);

const savedName = kept("sessionStorage", "name", null);
const savedUids = kept("sessionStorage", "uids", []);
const savedJoined = kept("sessionStorage", "joined", []);
const savedRooms = kept("localStorage", "rooms", []);

let myName = String(savedName.get() || madeUp()).slice(0, 32);
savedName.set(myName);
const myUids = new Set([].concat(savedUids.get()).slice(-20)); // a link that comes back may have a new uid
const joinedBefore = new Set([].concat(savedJoined.get()));

// Places: rooms by channel name, threads by "@" and uid.

const places = new Map();
let here = null;
let peers = [];
let peersKnown = false;
let info = {};

function place(id, more) {
  if (!places.has(id)) places.set(id, {id, lines: [], seen: new Map(), unread: 0, joined: false, draft: "", ...more});
  return places.get(id);
}
const room = (channel) => place(channel, {channel});
const rooms = () => [...places.values()].filter((p) => p.channel);
const threads = () => [...places.values()].filter((p) => p.uid);
const peer = (uid) => peers.find((p) => p.uid === uid);
const isMe = (uid) => uid === s.state.uid || myUids.has(uid);

/** The thread with a peer. One who came back under a new uid and the old name goes on in the old thread. */
function thread(uid, name) {
  const known = threads().find((t) => t.uid === uid);
  if (known) return known;
  const gone = name && threads().find((t) => t.name === name && !peer(t.uid));
  if (!gone) return place(`@${uid}`, {uid, name: name || uid, joined: true});
  gone.uid = uid;
  note(gone, `${name} is here again, as ${uid}`);
  return gone;
}

function addLine(p, line) {
  p.lines.push(line);
  p.lines.sort((a, b) => a.at - b.at);
  p.lines.splice(0, p.lines.length - KEPT);
  const looking = p === here && !document.hidden && (wide() || document.body.dataset.view === "chat");
  if (line.text && !line.mine && !line.old && !looking) p.unread++;
  if (p === here) drawLog();
  drawPlaces();
}

const note = (p, text, at = Date.now()) => addLine(p, {note: text, at});

/** Remembers who is in a room, for the note when they go. */
function see(p, uid, name) {
  p.seen.set(uid, name);
  if (p.seen.size > 500) p.seen.delete(p.seen.keys().next().value);
}

const announce = (p, kind) => s.publish(p.channel, {kind, name: myName, from: s.state.uid, at: Date.now()}, {excludeSender: true});

/** A message of the sidecar or a note of another page, for a room. */
function hear(p, m, old) {
  if (!m || typeof m !== "object") return;
  const at = timeOf(m.at) ?? Date.now();
  const who = String(m.name || peer(m.from)?.name || m.from || "somebody");
  if (m.kind === "join" || m.kind === "leave") {
    const here = [...p.seen].find(([, name]) => name === who);
    if (here) p.seen.delete(here[0]); // who only came back over a new link has not joined
    if (m.kind === "join") see(p, m.from, who);
    if (!isMe(m.from) && Boolean(here) !== (m.kind === "join")) note(p, `${who} ${m.kind === "join" ? "joined" : "left"}`, at);
    return;
  }
  if (typeof m.text !== "string") return;
  const key = `${m.from} ${m.at} ${m.text}`;
  if (p.lines.some((l) => l.key === key)) return;
  const mine = isMe(m.from);
  if (mine) { // this is what one of the waiting lines became
    const i = p.lines.findIndex((l) => l.fate && l.text === m.text);
    if (i >= 0) p.lines.splice(i, 1);
  }
  if (!old) see(p, m.from, who);
  addLine(p, {key, at, who, from: m.from, text: m.text, mine, old});
}

async function join(p) {
  if (p.joined) return;
  p.joined = true;
  if (!joinedBefore.has(p.channel)) {
    joinedBefore.add(p.channel);
    note(p, "You joined");
  }
  savedJoined.set([...joinedBefore]);
  draw();
  try {
    await s.subscribe(p.channel, p.hear = (m) => hear(p, m));
    announce(p, "join");
    await catchUp(p);
  } catch (e) {
    if (p.joined) note(p, `Could not join: ${e.message}`);
    p.joined = s.state.status === "closed";
    draw();
  }
}

async function catchUp(p) {
  const history = await quietly(s.ask("demo/history", {channel: p.channel}, {timeoutMs: 10000}));
  if (Array.isArray(history)) for (const m of history) hear(p, m, true);
  // What was sent just before the link went, and is not in the history, did not arrive.
  for (const l of p.lines) if (l.fate === "sent" && l.link !== s.state.since) l.fate = "unsure";
  if (p === here) drawLog();
}

function leave(p) {
  if (p.uid) places.delete(p.id);
  else {
    announce(p, "leave");
    s.unsubscribe(p.channel, p.hear);
    p.joined = false;
    joinedBefore.delete(p.channel);
    savedJoined.set([...joinedBefore]);
    note(p, "You left");
  }
  if (p.uid) show(room("lobby"));
  draw();
}

function show(p) {
  if (here) here.draft = $("text").value;
  here = p;
  p.unread = 0;
  $("text").value = p.draft;
  if (p.channel) {
    history.replaceState(null, "", `#${encodeURIComponent(p.channel)}`);
    join(p);
  }
  view("chat");
  draw();
  drawLog(true);
  drawTerminal();
}

function say(p, text) {
  const line = {at: Date.now(), text, who: myName, mine: true};
  if (p.channel) {
    const {status, error} = s.send("demo/say", {channel: p.channel, text});
    line.fate = status;
    line.why = error && error.message;
    if (status === "ok") sent(p, line);
  } else {
    line.fate = s.state.open ? "sent" : "queued";
    s.ask("msg/send-to-client", {"to-uid": p.uid, message: {text, name: myName, at: line.at}}, {timeoutMs: s.state.open ? 8000 : 3600000})
      .then(() => fate(p, line, null, undefined), (e) => {
        line.why = e.code === "chsk/timeout" || e.code === "chsk/closed" ? "" : e.message;
        fate(p, line, null, e.category === "not-found" || e.retry ? "rejected" : "unsure");
      });
  }
  addLine(p, line);
  banner();
}

/** The room's own copy will replace this line; where none comes it is shown as unsure. */
function sent(p, line) {
  line.fate = "sent";
  line.link = s.state.since;
  setTimeout(() => fate(p, line, "sent", "unsure"), 8000);
}

function fate(p, line, from, to) {
  if (from && line.fate !== from) return;
  line.fate = to;
  if (p === here) drawLog();
  banner();
}

const waiting = () => [...places.values()].reduce((n, p) => n + p.lines.filter((l) => l.fate === "queued").length, 0);

async function quietly(promise) {
  try {
    return await promise;
  } catch {
    return undefined; // a sidecar without this part of the demo
  }
}

// The link.

let lostAt = null;
let back = null; // {text, until}

const s = SenteLite.connect({
  ...cuttable,
  url: new URL("ws", base).href,
  onState: (now, old) => setTimeout(() => stateChanged(now, old)), // s itself is not there yet at the first one
  onError: (e) => console.warn("sente-lite:", e.code, e.message),
});

function stateChanged(now, old) {
  if (now.open && !old.open) {
    myUids.add(now.uid);
    savedUids.set([...myUids].slice(-20));
    peersKnown = false;
    const waited = waiting();
    for (const p of rooms()) for (const l of p.lines) if (l.fate === "queued") sent(p, l);
    if (now.reason !== "opened" && lostAt !== null && Date.now() - lostAt > LATE_MS) {
      back = {text: waited > 0 ? "Back, all sent" : "Back", until: Date.now() + 3000};
    }
    lostAt = null;
    greet();
    for (const p of now.reason === "reopened" ? rooms() : []) {
      if (!p.joined) continue;
      announce(p, "join");
      catchUp(p);
    }
  } else if (!now.open && lostAt === null) {
    lostAt = Date.now();
    gap();
  }
  banner();
  drawFacts();
}

async function greet() {
  quietly(s.ask("demo/name", {name: myName}));
  info = (await quietly(s.ask("demo/info", {}, {timeoutMs: 10000}))) || info;
  drawFacts();
  drawTerminal();
  const list = await quietly(s.ask("demo/peers", {}, {timeoutMs: 10000}));
  if (Array.isArray(list)) peersAre(list);
}

function peersAre(list) {
  if (!Array.isArray(list)) return;
  const before = peers;
  peers = list.filter((p) => p && typeof p.uid === "string").slice(0, 500);
  for (const t of threads()) t.name = peer(t.uid)?.name || t.name;
  for (const old of peersKnown ? before : []) {
    if (peer(old.uid) || isMe(old.uid)) continue;
    for (const p of places.values()) {
      const seen = p.joined && p.seen.delete(old.uid) && old.name !== old.uid; // who has no name only dropped a line
      if (p.uid === old.uid || seen) note(p, `${old.name || old.uid} left`);
    }
  }
  peersKnown = true;
  draw();
}

s.subscribe("demo/peers", peersAre).catch(() => {});
s.subscribe("demo/rooms", (m) => addRoom(m && m.room)).catch(() => {});
s.on("msg/receive", (data) => {
  const m = data && data.message;
  if (!m || typeof m.text !== "string") return;
  const from = String(data["from-uid"]);
  const t = thread(from, peer(from)?.name || (typeof m.name === "string" ? m.name.slice(0, 32) : null));
  addLine(t, {at: Date.now(), who: t.name, from, text: m.text});
});

function addRoom(channel) {
  if (typeof channel !== "string" || !CHANNEL.test(channel) || rooms().length >= 50) return null;
  if (!places.has(channel)) {
    room(channel);
    savedRooms.set(rooms().map((r) => r.channel));
    drawPlaces();
  }
  return room(channel);
}

measure(s);
flow(s);

// Drawing.

const wide = () => window.matchMedia("(min-width: 861px)").matches;
function draw() {
  drawPlaces();
  drawPeers();
  drawFacts();
  if (!here) return;
  const {channel, uid, joined, name} = here;
  const there = uid && peer(uid);
  $("title").textContent = channel ? `# ${channel}` : name;
  $("subtitle").textContent = channel ? (joined ? "" : "You are not in this room")
    : there ? `${uid}, over ${there.transport || "?"}` : `${uid} is not connected`;
  $("leave").textContent = channel ? (joined ? "Leave" : "Join") : "Close";
  $("text").placeholder = channel ? `Message # ${channel}` : `Message ${name}`;
  document.title = `${channel ? `# ${channel}` : name} · sente-lite demo`;
}

function drawPlaces() {
  const row = (p, sign, text) => {
    const button = el("button", {type: "button", onclick: () => show(p)},
      el("span", {className: "sign", ariaHidden: "true"}, sign),
      el("span", {className: `label${p.joined ? "" : " out"}`}, text),
      p.unread > 0 ? el("span", {className: "badge", title: `${p.unread} unread`}, String(Math.min(p.unread, 99))) : null);
    button.dataset.key = p.id;
    if (p === here) button.setAttribute("aria-current", "true");
    return el("li", {}, button);
  };
  fill($("rooms"), rooms().map((p) => row(p, "#", p.channel)));
  fill($("threads"), threads().map((p) => row(p, peer(p.uid) ? "●" : "○", p.name)));
  $("direct").hidden = threads().length === 0;
  const unread = [...places.values()].reduce((n, p) => n + (p === here ? 0 : p.unread), 0);
  $("tab-unread").hidden = unread === 0;
  $("tab-unread").textContent = String(Math.min(unread, 99));
}

function drawLog(toEnd) {
  const log = $("log");
  const atEnd = toEnd || log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  let before = null;
  const rows = here.lines.map((l) => {
    const head = !before || before.note || before.who !== l.who || before.mine !== l.mine
      || (!l.mine && before.from !== l.from) || l.at - before.at > 300000;
    before = l;
    l.node = drawLine(l, head, l.node);
    return l.node;
  });
  if (rows.length === 0) rows.push(el("p", {className: "empty"}, "Nothing here yet. Say something, or open this page in a second tab."));
  // Only what changed is touched, so that a screen reader hears new lines and no others.
  rows.forEach((n, i) => { if (log.children[i] !== n) log.insertBefore(n, log.children[i] || null); });
  while (log.children.length > rows.length) log.lastElementChild.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

function drawLine(l, head, old) {
  const look = `${head} ${l.fate} ${l.why}`;
  if (old && old.look === look) return old;
  if (l.note) return Object.assign(el("p", {className: "note"}, l.note), {look, title: clock(l.at)});
  const fates = {queued: "waiting for the link", rejected: l.why || "not delivered", unsure: "not confirmed"};
  const again = el("button", {type: "button", onclick: () => {
    const p = here;
    p.lines.splice(p.lines.indexOf(l), 1);
    say(p, l.text);
  }}, "Send again");
  const node = el("div", {className: `msg${head ? " head" : ""}${l.mine ? " mine" : ""}${l.fate ? " pending" : ""}`},
    el("span", {className: "who", title: l.from || ""}, l.mine && l.who === myName ? "you" : l.who),
    el("span", {className: "text"}, l.text),
    el("time", {dateTime: new Date(l.at).toISOString(), title: new Date(l.at).toLocaleString()}, clock(l.at)),
    fates[l.fate] ? el("span", {className: "fate"}, fates[l.fate], l.fate === "queued" ? null : again) : null);
  node.style.setProperty("--hue", hue(l.who));
  return Object.assign(node, {look});
}

function drawPeers() {
  $("count").textContent = peers.length > 0 ? String(peers.length) : "";
  fill($("peers").tBodies[0], peers.map((p) => {
    const name = p.name || p.uid;
    const me = p.uid === s.state.uid;
    const button = el("button", {type: "button", title: `Write to ${p.uid}`, onclick: () => show(thread(p.uid, p.name))}, name);
    button.dataset.key = p.uid;
    const rtt = me ? lastRtt() : p["rtt-ms"];
    return el("tr", {},
      el("td", {title: p.uid}, me ? `${name} (you)` : button, p.role === "owner" ? el("span", {className: "role"}, " owner") : null),
      el("td", {className: "over num"}, String(p.transport || "?")),
      el("td", {className: "ms num"}, typeof rtt === "number" ? `${millis(rtt)} ms` : ""),
      el("td", {className: "age num"}, age(p.since)));
  }));
  if (peers.length === 0) $("peers").tBodies[0].append(el("tr", {}, el("td", {className: "fine", colSpan: 4}, "No list from this sidecar yet")));
}

function drawFacts() {
  const {uid, since, open, lastClose, attempts} = s.state;
  const me = peer(uid) || {};
  const facts = [
    ["uid", uid], ["over", me.transport || (open ? "ws" : null)], ["role", me.role],
    ["since", open ? `${clock(since)}, ${age(since)} ago` : null],
    ["last close", lastClose ? `${lastClose.why} (${lastClose.code})` : null],
    ["tries", !open && attempts > 0 ? attempts : null],
    ["sidecar", info.pid ? `pid ${info.pid}, up ${age(info["started-at"])}` : null],
    ["listens on", [].concat(info.listen || [], info.socket ? `unix:${info.socket}` : []).filter((v, i, all) => all.indexOf(v) === i).join("\n")],
  ];
  $("facts").replaceChildren(...facts.filter(([, v]) => v).flatMap(([k, v]) => [
    el("dt", {}, k), el("dd", {title: String(v)}, ...String(v).split("\n").flatMap((t, i) => (i ? [el("br"), t] : [t])))]));
  if (info.version) $("version").textContent = String(info.version);
}

function drawTerminal() {
  const channel = here && here.channel ? here.channel : "lobby";
  const ws = new URL("ws", base).href.replace(/^http/, "ws");
  drawPaste($("paste"), pasteLines({channel, ws, socket: info.socket}), (text) => { $("copied").textContent = text; });
}

function banner() {
  document.body.dataset.link = s.state.open ? "up" : "down";
  const {status, open, nextRetryAt, lastClose, reason} = s.state;
  const n = waiting();
  const words = {open: "connected", connecting: "connecting", waiting: "offline", closed: "closed"};
  $("pill").dataset.status = status;
  $("pill-text").textContent = words[status];
  if (back && Date.now() > back.until) back = null;
  const shown = open ? back !== null
    : status === "closed" || n > 0 || (lostAt !== null && Date.now() - lostAt > LATE_MS);
  const box = $("banner");
  box.hidden = !shown;
  box.className = `banner${open ? " back" : status === "closed" ? " end" : ""}`;
  if (!shown) return;
  const put = (id, text) => { if ($(id).textContent !== text) $(id).textContent = text; };
  const left = status === "waiting" ? Math.ceil((nextRetryAt - Date.now()) / 1000) : 0;
  const ended = reason === "closed" ? "Closed" : `The sidecar closed this page's link: ${reason}${lastClose?.reason ? `, ${lastClose.reason}` : ""}`;
  put("banner-text", open ? back.text : status === "closed" ? ended : lastClose ? "Offline, reconnecting" : "Connecting");
  put("banner-count", open || status === "closed" ? "" : left > 0 ? ` in ${left} s…` : "…");
  put("banner-wait", !open && n > 0 ? ` ${n} message${n === 1 ? "" : "s"} waiting` : "");
  $("retry").hidden = open;
  put("retry", status === "closed" ? "Connect again" : "Try now");
}

function view(name) {
  document.body.dataset.view = name;
  for (const b of document.querySelectorAll(".tabs button")) {
    b.dataset.view === name ? b.setAttribute("aria-current", "true") : b.removeAttribute("aria-current");
  }
  if (name === "chat" && here) here.unread = 0, drawPlaces(), drawLog(true);
}

// What the reader does.

$("say").addEventListener("submit", (e) => {
  e.preventDefault();
  const text = $("text").value.trim();
  if (!text) return;
  $("text").value = "";
  if (here.channel) join(here);
  say(here, text);
  $("log").scrollTop = $("log").scrollHeight;
});

$("new-room").addEventListener("submit", (e) => {
  e.preventDefault();
  const channel = $("room-name").value.trim().replace(/^#\s*/, "").replace(/\s+/g, "-");
  if (!channel) return;
  const p = addRoom(channel);
  $("room-error").textContent = p ? "" : "Letters, digits, . _ - only, at most 32, in at most 50 rooms";
  if (!p) return;
  $("room-name").value = "";
  s.publish("demo/rooms", {room: channel}, {excludeSender: true});
  show(p);
  $("text").focus();
});

$("rename").addEventListener("submit", (e) => {
  e.preventDefault();
  myName = $("name").value.trim().slice(0, 32) || myName;
  $("name").value = myName;
  savedName.set(myName);
  if (s.state.open) quietly(s.ask("demo/name", {name: myName})); // the next link says it by itself
  $("name").blur();
});

$("leave").addEventListener("click", () => (here.channel && !here.joined ? join(here) : leave(here)));
$("retry").addEventListener("click", () => s.reconnect());
document.querySelector(".tabs").addEventListener("click", (e) => {
  const b = e.target.closest("button");
  if (b) view(b.dataset.view);
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && here) here.unread = 0, drawPlaces();
});
window.addEventListener("storage", () => [].concat(savedRooms.get()).forEach(addRoom));
window.addEventListener("hashchange", () => {
  const p = addRoom(roomOfAddress());
  if (p && p !== here) show(p);
});
setInterval(banner, 250);
setInterval(() => (drawFacts(), drawPeers()), 5000);

function roomOfAddress() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return "";
  }
}

$("name").value = myName;
["lobby", "workshop", "garden", ...[].concat(savedRooms.get())].forEach(addRoom);
for (const channel of joinedBefore) if (addRoom(channel)) join(room(channel));
show(addRoom(roomOfAddress()) || room("lobby"));
