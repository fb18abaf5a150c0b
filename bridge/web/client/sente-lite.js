/**
 * sente-lite.js: events, calls and channels over one WebSocket that comes back by itself.
 *
 *   const s = SenteLite.connect({onState: (now) => show(now.status, now.reason)});
 *   s.on("page/title", () => document.title);     // what a handler returns answers a call
 *   s.send("chat/msg", {text: "hello"});          // {status: "ok" | "queued" | "rejected"}
 *   const answer = await s.ask("chat/ask", 1);    // rejects with a SenteLite.Error
 *   await s.subscribe("lobby", (data, {from}) => …);
 *
 * In Node: require it and give {url}, before Node 22 also {WebSocket: require("ws")}. Keywords are strings here.
 *
 * The states, and state.reason for each edge:
 *
 *   connecting → open        opened (the first time), reopened
 *   connecting → waiting     unreachable, handshake-timeout, token-failed, or as from open
 *   open       → waiting     lost, dead (silence), a word of CLOSES below 4500, server-closed (any other)
 *   waiting    → connecting  retry (the delay is over), online, visible
 *   any        → connecting  connect (the first time), reconnect (called)
 *   any        → closed      closed (called), bad-socket, a word of CLOSES from 4500 on, refused (any other)
 */
(function (root) {
  "use strict";

  const CLOSES = {
    1001: "shutdown", 1006: "lost", 4000: "ping-timeout", 4001: "overloaded", 4002: "draining",
    4500: "replaced", 4501: "unauthorized", 4502: "token-expired", 4503: "origin", 4504: "kicked",
    4505: "protocol", 4506: "version", 4507: "too-large", 4508: "credit",
  };
  const WORDS = new Map([["chsk/timeout", "unavailable"], ["chsk/closed", "interrupted"], ["chsk/error", "fault"]]);
  const WAKE_PING_MS = 2000; // after sleep or a change of network the user is looking: decide soon
  const STABLE_MS = 5000; // an open link that lasted this long starts the backoff anew
  const BUNDLE_ITEMS = 100;
  const BUNDLE_CHARS = 65536;

  /** category is one of cognitect.anomalies' nine, code is stable; retry: nothing was done, the same may work later. */
  class SenteLiteError extends Error {
    constructor({category = "fault", code = "sente-lite/error", message, hint, retry = false, event, data}) {
      super(message || code);
      Object.assign(this, {name: "SenteLiteError", category, code, hint, retry, event, data});
    }
  }

  const fail = (category, code, event, text, more) =>
    new SenteLiteError({category, code, event, message: `${event}: ${text}`, ...more});
  const busy = (event, text) => fail("busy", "sente-lite/busy", event, text, {retry: true});
  const timeout = (event, ms, retry) => fail("unavailable", "chsk/timeout", event, `no answer in ${ms} ms`, {retry});

  /** The error in a value, or null. */
  function errorIn(value, event) {
    if (WORDS.has(value)) return fail(WORDS.get(value), value, event, "no reply");
    if (!Array.isArray(value) || value[0] !== "sente-lite/error") return null;
    const e = value[1] || {};
    return new SenteLiteError({...e, retry: e["retry?"], event: e["event-id"] || event});
  }

  /** Milliseconds before retry n: 100–300 for a lone blink, then 500–1000, doubled up to 15000–30000. */
  function backoff(n) {
    if (n === 0) return 100 + 200 * Math.random();
    return Math.min(30000, 500 * 2 ** n) * (1 + Math.random()) / 2;
  }

  function eventOf(what, id, data) {
    if (Array.isArray(id)) [id, data] = id;
    if (typeof id !== "string" || !/^[^\s/]+\/\S+$/.test(id)) {
      throw new TypeError(`${what}: an event's id is "namespace/name", got ${JSON.stringify(id)}`);
    }
    return data === undefined ? [id] : [id, data];
  }

  function socketURL({url, base = "", path = "/ws", params}) {
    const given = url || base + path;
    try {
      const u = new URL(given, root.location ? root.location.href : undefined);
      u.protocol = u.protocol.replace(/^http/, "ws");
      u.hash = "";
      for (const [k, v] of Object.entries({...params, v: 1, packer: "json", bundle: 1})) u.searchParams.set(k, v);
      if (/^wss?:/.test(u.href)) return u.href;
    } catch { /* said below */ }
    throw new TypeError(`connect: ${given} is no WebSocket address here; give {url: "ws://host:port/ws"}`);
  }

  /** The subprotocols that carry a token: in headers, since URLs end up in logs. */
  function protocolsOf(token) {
    if (!/^[\w!#$%&'*+.^`|~-]+$/.test(token)) {
      token = btoa(String.fromCharCode(...new TextEncoder().encode(token)))
        .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
    }
    return ["sente-lite", "sente-lite.token." + token];
  }

  class Client {
    #o; #url; #ws = null; #turn = 0; #tries = 0; #heard = 0; #cb = 0; #serving = 0; #again = false;
    #handlers = new Map(); // event id → Set of functions
    #subs = new Map(); // channel → {fns, waiters, joined, cb}: what should be, whatever the link does
    #calls = new Map(); // cb → {resolve, reject, timer, sent, event}
    #queue = []; // [{text, cb}] for the next link
    #pings = []; // what each pong, or an error, is told to, in the order written: pongs carry no number
    #retryTimer; #dialTimer; #watchTimer;
    #limits = {};

    constructor(options) {
      this.#o = {
        timeoutMs: 30000, connectTimeoutMs: 10000, kaliveMs: 5000, pingTimeoutMs: 10000,
        maxQueue: 1000, maxQueueBytes: 8388608, maxCalls: 1000, backoff, WebSocket: root.WebSocket, ...options,
      };
      this.#url = socketURL(this.#o);
      if (!this.#o.WebSocket) throw new TypeError("connect: no WebSocket here; give {WebSocket: require(\"ws\")}");
      this.lateReplies = 0; // and second ones
      this.state = Object.freeze({
        status: "closed", reason: null, open: false, uid: null, session: null, since: null, handshake: null,
        lastClose: null, attempts: 0, nextRetryAt: null, offline: !!root.navigator && root.navigator.onLine === false,
      });
      this.#listen(true);
      this.#dial("connect");
    }

    /** Events and calls that wait for the link. */
    get queued() { return this.#queue.length; }

    /**
     * Calls fn(data, event) for each event with this id, or all with "*"; returns what ends it. The value (or promise)
     * of a call's first handler is the reply, its throw an error of category "fault"; "*" only looks on.
     */
    on(id, fn) {
      if (id !== "*") eventOf("on", id);
      if (!this.#handlers.has(id)) this.#handlers.set(id, new Set());
      this.#handlers.get(id).add(fn);
      return () => this.off(id, fn);
    }

    /** Ends one handler of an id, or without fn all of them. */
    off(id, fn) {
      const fns = this.#handlers.get(id);
      if (fn && fns) fns.delete(fn);
      if (!fn || (fns && fns.size === 0)) this.#handlers.delete(id);
    }

    /**
     * Sends an event, send("chat/msg", data) or send(["chat/msg", data]). "ok" is written to the socket, "queued" keeps
     * its place until there is a link, "rejected" was not taken and error says why. Throws on a bad id.
     */
    send(id, data) { return this.#put(eventOf("send", id, data)); }

    /**
     * Calls; resolves to the reply. Rejects with chsk/timeout, with chsk/closed at once when the link goes under it, or
     * with the error that is the reply. A call waits for a link, within its time.
     */
    ask(id, data, {timeoutMs = this.#o.timeoutMs} = {}) {
      return new Promise((resolve, reject) => {
        const event = eventOf("ask", id, data);
        if (this.#calls.size >= this.#o.maxCalls) throw busy(event[0], "too many are open already");
        this.#call(event, timeoutMs, resolve, reject);
      });
    }

    /** Calls fn(data, {channel, from}) for what is published, after reconnects too. Resolves once the sidecar took it. */
    subscribe(channel, fn) {
      let sub = this.#subs.get(channel);
      if (!sub) this.#subs.set(channel, sub = {fns: new Set(), waiters: [], joined: false, cb: null});
      sub.fns.add(fn);
      if (sub.joined) return Promise.resolve();
      return new Promise((resolve, reject) => {
        sub.waiters.push({resolve, reject});
        if (this.#live() && !sub.cb) this.#join(channel, sub);
      });
    }

    /** Ends one function's subscription, or without fn the channel's. */
    unsubscribe(channel, fn) {
      const sub = this.#subs.get(channel);
      if (sub && fn) sub.fns.delete(fn);
      if (!sub || (fn && sub.fns.size > 0)) return Promise.resolve();
      this.#subs.delete(channel);
      sub.waiters.forEach((w) => w.reject(fail("interrupted", "sente-lite/unsubscribed", channel, "left again")));
      if (!this.#live()) return Promise.resolve();
      return this.ask("sente-lite/unsubscribe", {"channel-id": channel}).catch(() => {}); // not joined either way
    }

    /** Publishes to a channel, subscribed or not. Returns what send returns. */
    publish(channel, data, {excludeSender = false} = {}) {
      return this.send("sente-lite/publish", {"channel-id": channel, data, "exclude-sender?": excludeSender});
    }

    /** Peers of uid get "msg/receive" {"from-uid", message}. Returns what send returns. */
    sendTo(uid, message) { return this.send("msg/send-to-client", {"to-uid": uid, message}); }

    /** The time to the sidecar and back, in milliseconds. */
    ping({timeoutMs = this.#o.pingTimeoutMs} = {}) {
      return new Promise((resolve, reject) => {
        if (!this.#live()) throw this.#closed("chsk/ws-ping", true);
        if (this.#pings.length >= this.#o.maxCalls) throw busy("chsk/ws-ping", "too many are open already");
        const at = performance.now();
        const timer = setTimeout(() => reject(timeout("chsk/ws-ping", timeoutMs, true)), timeoutMs);
        this.#pings.push((error) => {
          clearTimeout(timer);
          error ? reject(error) : resolve(performance.now() - at);
        });
        this.#ws.send('["chsk/ws-ping"]');
      });
    }

    /** Connects anew now, whatever the state. */
    reconnect() {
      this.#drop(1000, "reconnect");
      this.#listen(true);
      this.#dial("reconnect");
    }

    /** Ends the client: no retries, open calls fail. Events that wait are kept for reconnect(). */
    close() {
      this.#drop(1000, "closed");
      this.#listen(false);
      this.#end({code: 1000, reason: "closed by the page", clean: true, why: "closed"});
    }

    // The link.
    async #dial(reason) {
      const turn = ++this.#turn; // a later attempt makes this one void
      clearTimeout(this.#retryTimer);
      this.#set({status: "connecting", open: false, nextRetryAt: null}, reason);
      if (turn !== this.#turn) return;
      this.#dialTimer = setTimeout(() => this.#down(1006, "no handshake in time", false, "handshake-timeout"),
        this.#o.connectTimeoutMs);
      let {token} = this.#o;
      try {
        if (typeof token === "function") token = await token();
      } catch (e) {
        if (turn === this.#turn) this.#down(1006, `token: ${e?.message}`, false, "token-failed");
      }
      if (turn !== this.#turn) return;
      let ws;
      try {
        this.#ws = ws = new this.#o.WebSocket(this.#url, token ? protocolsOf(token) : []);
      } catch (e) {
        this.#drop();
        return this.#end({code: 1006, reason: e.message, clean: false, why: "bad-socket"});
      }
      ws.onmessage = (m) => this.#take(ws, m.data);
      ws.onclose = (e) => {
        const why = e.code === 1006 && !this.state.open ? "unreachable" : CLOSES[e.code];
        this.#down(e.code, e.reason, e.wasClean, why || (e.code < 4500 ? "server-closed" : "refused"));
      };
      ws.onerror = () => {}; // the close that follows says what there is to say
    }

    #live() { return this.state.open && this.#ws !== null && this.#ws.readyState === 1; }

    #opened([uid, , data, first]) {
      if (this.state.open) return;
      clearTimeout(this.#dialTimer);
      this.#limits = (data && data.limits) || {};
      const again = this.#again;
      this.#again = true;
      // Joins go ahead of what waited, so that nothing published now is missed, and both ahead of what onState sends.
      const backlog = this.#queue.splice(0);
      for (const [channel, sub] of this.#subs) this.#join(channel, sub);
      this.#queue.push(...backlog);
      this.#flush();
      this.#watch();
      this.#set({status: "open", open: true, uid, session: (data && data.session) || null, since: Date.now(), attempts: 0,
        handshake: {...data, first}}, again ? "reopened" : "opened");
      this.#run(again ? this.#o.onReconnect : this.#o.onOpen, this.state);
    }

    /** Silence beyond the sidecar's own pings is asked about; no answer ends the link. */
    #watch() {
      const {"ws-kalive-ms": kalive = this.#o.kaliveMs, "ws-ping-timeout-ms": more = this.#o.pingTimeoutMs} = this.#limits;
      const heard = this.#heard;
      this.#watchTimer = setTimeout(() => {
        if (heard === this.#heard) this.#probe(this.#o.pingTimeoutMs);
        this.#watch();
      }, kalive + more);
    }

    #probe(timeoutMs) {
      const [ws, heard] = [this.#ws, this.#heard];
      this.ping({timeoutMs}).catch((e) => {
        const dead = e.code === "chsk/timeout" && ws === this.#ws && heard === this.#heard;
        if (dead) this.#down(1006, `no pong in ${timeoutMs} ms`, false, "dead");
      });
    }

    /** Leaves the socket behind and fails what was sent over it. */
    #drop(code, reason) {
      this.#turn++;
      for (const t of [this.#retryTimer, this.#dialTimer, this.#watchTimer]) clearTimeout(t);
      const ws = this.#ws;
      this.#ws = null;
      if (ws) {
        ws.onmessage = ws.onclose = null; // onerror stays: npm's ws throws without one
        if (ws.readyState < 2) code ? ws.close(code, reason) : ws.close();
      }
      for (const ping of this.#pings.splice(0)) ping(this.#closed("chsk/ws-ping", true));
      for (const [cb, call] of this.#calls) if (call.sent) this.#settle(cb, this.#closed(call.event, false));
      for (const sub of this.#subs.values()) sub.joined = false;
    }

    #down(code, reason, clean, why) {
      const {open, since} = this.state;
      const lastClose = Object.freeze({code, reason, clean, why});
      this.#drop();
      if (code >= 4500 && code <= 4999) return this.#end(lastClose);
      if (open && Date.now() - since >= STABLE_MS) this.#tries = 0;
      if (code === 4001 && this.#tries === 0) this.#tries = 1; // who is overloaded is not helped by haste
      const spread = code === 4002 && /spread-ms=(\d+)/.exec(reason);
      const delay = Math.round(spread ? Math.random() * spread[1] : this.#o.backoff(this.#tries));
      this.#retryTimer = setTimeout(() => this.#dial("retry"), delay);
      this.#set({status: "waiting", open: false, lastClose, attempts: ++this.#tries, nextRetryAt: Date.now() + delay}, why);
      if (open) this.#run(this.#o.onClose, lastClose);
    }

    #end(lastClose) {
      if (this.state.status === "closed") return;
      const {open} = this.state;
      this.#queue = this.#queue.filter((q) => !q.cb);
      for (const [cb, call] of this.#calls) this.#settle(cb, this.#closed(call.event, true));
      const gone = this.#closed("sente-lite/subscribe", true);
      for (const sub of this.#subs.values()) for (const w of sub.waiters.splice(0)) w.reject(gone);
      this.#tries = 0;
      this.#set({status: "closed", open: false, nextRetryAt: null, lastClose: Object.freeze(lastClose)}, lastClose.why);
      if (open || lastClose.why !== "closed") this.#run(this.#o.onClose, lastClose);
    }

    #listen(on) {
      if (!root.addEventListener) return;
      const verb = on ? "addEventListener" : "removeEventListener";
      for (const e of ["online", "offline", "pageshow"]) root[verb](e, this.#wake);
      if (root.document) root.document[verb]("visibilitychange", this.#wake);
    }

    /** The world changed: retry at once, or ask whether an open link still is one. */
    #wake = ({type}) => {
      if (type.endsWith("line")) this.#set({offline: type === "offline"}, this.state.reason);
      if (type === "visibilitychange" && root.document.visibilityState === "hidden") return;
      if (this.#live()) this.#probe(WAKE_PING_MS);
      else if (this.state.status === "waiting" && type !== "offline") this.#dial(type === "online" ? type : "visible");
    };

    // Out.
    #put(item, cb) {
      const {maxQueue, maxQueueBytes} = this.#o;
      const id = cb ? item[0][0] : item[0];
      const text = JSON.stringify(item);
      const most = this.#limits["max-message-bytes"] || 16777215;
      const rejected = (error) => ({status: "rejected", error});
      if (text.length * 3 > most && new TextEncoder().encode(text).length > most) {
        return rejected(fail("incorrect", "sente-lite/too-large", id, `more than ${most} bytes`));
      }
      const live = this.#live();
      if (!live && this.state.status === "closed") return rejected(this.#closed(id, true));
      const before = live ? this.#ws.bufferedAmount : this.#queue.reduce((n, q) => n + q.text.length, 0);
      const full = before > 0 && before + text.length > maxQueueBytes; // one alone may have any size
      if (full || (!live && this.#queue.length >= maxQueue)) return rejected(busy(id, "too much waits to be sent"));
      live ? this.#ws.send(text) : this.#queue.push({text, cb});
      return {status: live ? "ok" : "queued"};
    }

    #flush() {
      while (this.#queue.length > 0 && this.#ws.readyState === 1) {
        let chars = 0;
        const fits = ({text}, n) => n < BUNDLE_ITEMS && ((chars += text.length) <= BUNDLE_CHARS || n === 0);
        const over = this.#queue.findIndex((q, n) => !fits(q, n));
        const items = this.#queue.splice(0, over < 0 ? Infinity : over);
        for (const {cb} of items) if (cb) this.#calls.get(cb).sent = true;
        const texts = items.map((q) => q.text);
        this.#ws.send(texts.length === 1 ? texts[0] : `["batch/events",[${texts}]]`);
      }
    }

    #call(event, timeoutMs, resolve, reject) {
      const cb = (++this.#cb).toString(36);
      const call = {resolve, reject, sent: false, event: event[0]};
      const {status, error} = this.#put([event, cb], cb);
      if (error) return void reject(error);
      call.sent = status === "ok";
      call.timer = setTimeout(() => {
        // A call that never left must not leave after its caller has given up.
        this.#queue = this.#queue.filter((q) => q.cb !== cb);
        this.#settle(cb, timeout(event[0], timeoutMs, !call.sent));
      }, timeoutMs);
      this.#calls.set(cb, call);
      return cb;
    }

    #settle(cb, value) {
      const call = this.#calls.get(cb);
      if (!call) return this.lateReplies++;
      this.#calls.delete(cb);
      clearTimeout(call.timer);
      const error = value instanceof SenteLiteError ? value : errorIn(value, call.event);
      error ? call.reject(error) : call.resolve(value);
    }

    #join(channel, sub) {
      const settled = (error) => {
        sub.cb = null;
        if (this.#subs.get(channel) !== sub) return;
        if (error && error.code === "chsk/closed" && this.state.status !== "closed") return; // the next link asks again
        const waiters = sub.waiters.splice(0);
        sub.joined = !error;
        if (!error) return waiters.forEach((w) => w.resolve());
        if (error.code !== "chsk/timeout" && error.code !== "chsk/closed") this.#subs.delete(channel);
        waiters.length > 0 ? waiters.forEach((w) => w.reject(error)) : this.#report(error);
      };
      sub.cb = this.#call(["sente-lite/subscribe", {"channel-id": channel}], this.#o.timeoutMs, (value) => {
        const answer = (Array.isArray(value) ? value[1] : value) || {};
        const {success, error = "refused"} = answer;
        settled(success === false && fail("forbidden", "sente-lite/" + error, "sente-lite/subscribe",
          `${channel}: ${error}`, {data: answer}));
      }, settled);
    }

    // In.
    #take(ws, text) {
      this.#heard++;
      try {
        const value = JSON.parse(text);
        for (const item of value[0] === "batch/events" ? value[1] : [value]) {
          if (ws === this.#ws) this.#item(item); // a handler may have closed it
        }
      } catch (e) {
        this.#report(fail("incorrect", "sente-lite/bad-message", "the sidecar", `sent what cannot be read: ${e.message}`));
      }
    }

    #item(item) {
      if (Array.isArray(item[0])) return item[1] === null ? this.#item(item[0]) : void this.#serve(...item);
      const [id, data] = item;
      if (!Array.isArray(item) || typeof id !== "string") throw new TypeError("neither event, call nor reply");
      const sub = this.#subs.get(data?.["channel-id"]);
      switch (id) {
        case "chsk/handshake": return this.#opened(data);
        case "chsk/ws-ping": return this.#ws.send('["chsk/ws-pong"]');
        case "chsk/ws-pong": return void this.#pings.shift()?.();
        case "chsk/reply": return void this.#settle(data, item[2]);
        case "sente-lite/subscribed":
          if (sub && sub.cb) this.#settle(sub.cb, data);
          break;
        case "sente-lite/channel-msg":
          for (const fn of sub ? [...sub.fns] : []) this.#run(fn, data.data, {channel: data["channel-id"], from: data.from});
          break;
        case "sente-lite/error": this.#report(errorIn(item));
      }
      for (const key of [id, "*"]) for (const fn of [...(this.#handlers.get(key) || [])]) this.#run(fn, data, item);
    }

    async #serve(event, cb) {
      const ws = this.#ws;
      const [id, data] = event;
      const [first, ...rest] = this.#handlers.get(id) || [];
      const reply = (value) => JSON.stringify(["chsk/reply", cb, value === undefined ? null : value]);
      const refuse = (category, code, text) => reply(["sente-lite/error",
        {category, code: "sente-lite/" + code, message: `${id}: ${text}`, "event-id": id, "retry?": category === "busy"}]);
      for (const fn of [...rest, ...(this.#handlers.get("*") || [])]) this.#run(fn, data, event);
      let text;
      if (!first) text = refuse("not-found", "no-handler", "no handler here");
      else if (this.#serving >= this.#o.maxCalls) text = refuse("busy", "busy", "too many are open already");
      else {
        this.#serving++;
        try {
          text = reply(await first(data, event));
        } catch (e) {
          this.#report(e);
          text = refuse("fault", "handler-failed", `the handler failed: ${e?.message || e}`);
        }
        this.#serving--;
      }
      if (ws === this.#ws && this.#live()) ws.send(text); // a reply belongs to the link that its call came over
    }

    // What is told to the page.
    async #run(fn, ...args) {
      try {
        await fn?.(...args);
      } catch (e) {
        this.#report(e);
      }
    }

    #set(patch, reason) {
      const old = this.state;
      this.state = Object.freeze({...old, ...patch, reason});
      this.#run(this.#o.onState, this.state, old);
    }

    #report(error) {
      try {
        this.#o.onError ? this.#o.onError(error) : console.error("sente-lite:", error);
      } catch (e) {
        console.error("sente-lite: onError failed:", e);
      }
    }

    #closed(event, retry) {
      const text = this.state.status === "closed" ? "the link is closed" : "the link went away";
      return fail("unavailable", "chsk/closed", event, text, {retry, data: this.state.lastClose});
    }
  }

  /**
   * Connects, and keeps connecting. The constructor has the defaults of the times (ms) and bounds.
   *
   * @param {object} [options] url: ws:, http: or relative, default base ("") + path ("/ws") at the page's host;
   *   params: more of the query, nothing secret; token: a string or what gives one (or a promise), asked each time;
   *   onState (state, old): each edge, and when the network goes or comes; onOpen (state) the first time, then
   *   onReconnect (state); onClose (lastClose): an open link ended, or retrying did; onError (error): what no promise
   *   can tell, default the console; backoff (n) → ms before retry n; WebSocket
   * @returns {Client} its state is a frozen snapshot; lastClose is {code, reason, clean, why}
   */
  function connect(options = {}) { return new Client(options); }

  const SenteLite = {connect, backoff, Error: SenteLiteError};
  if (typeof module === "object" && module.exports) module.exports = SenteLite;
  else root.SenteLite = SenteLite;
})(globalThis);
