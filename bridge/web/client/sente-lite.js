/**
 * sente-lite.js: events, calls and channels over one WebSocket that comes back by itself.
 *
 *   const s = SenteLite.connect({onState: (now) => show(now.status, now.reason)});
 *   s.on("page/title", () => document.title);
 *   s.send("chat/msg", {text: "hello"});
 *   const answer = await s.ask("chat/ask", 1);
 */
(function (root) {
  "use strict";

  const STABLE_MS = 5000; // an open link that lasted this long starts the backoff anew

  // Each of these lines is that file's text, in what is served.
  // include address.js
  // include calls.js
  // include channels.js
  // include errors.js
  // include form.js
  // include gzip.js
  // include handlers.js
  // include heartbeat.js
  // include inbox.js
  // include keeper.js
  // include outbox.js
  // include store.js
  // include wire.js
  // include writer.js

  class Client {
    #o; #url; #form; #ws = null; #wire; #up = false; #turn = 0; #tries = 0; #again = false;
    #out; #writer; #inbox; #calls; #channels; #handlers; #heart; #keeper;
    #session = null; #epoch = 0; // what the next link resumes, and how many there were
    #lostBy = "off"; // why there is nothing to resume
    #retryTimer; #dialTimer;
    #limits = {};

    constructor(options) {
      this.#o = {
        timeoutMs: 30000, connectTimeoutMs: 10000, kaliveMs: 5000, pingTimeoutMs: 10000, bundle: true, credit: 256,
        recover: true, maxQueue: 1000, maxQueueBytes: 8388608, maxCalls: 1000, packer: "json", backoff, WebSocket: root.WebSocket, ...options,
      };
      const form = this.#form = formOf(this.#o.packer);
      try {
        if (this.#o.gzip) zips();
      } catch (e) {
        this.#o.gzip = this.#report(e);
      }
      this.#url = socketURL({...this.#o, packer: form.name});
      if (!this.#o.WebSocket) throw new TypeError("connect: no WebSocket here; give {WebSocket: require(\"ws\")}");
      this.#out = new Outbox({items: this.#o.maxQueue, bytes: this.#o.maxQueueBytes});
      const link = {
        form, live: () => this.#live(), write: (packed) => this.#wire.send(packed), send: (v) => this.#wire.send(form.pack(v)), limits: () => this.#limits,
        report: (e) => this.#report(e), closed: (event, retry) => this.#closed(event, retry),
        pump: () => this.#writer.pump(), save: () => this.#keeper.save(),
      };
      this.#calls = new Calls({
        put: (event, cb, first) => this.#put([event, cb], event[0], "call", {cb, first}),
        opened: () => this.#inbox.asked(), recall: (item) => this.#out.remove((i) => i === item).length > 0,
      });
      this.#handlers = new Handlers({...link, most: () => this.#most, maxCalls: this.#o.maxCalls});
      this.#channels = new Channels({
        ...link, resumes: () => this.#session !== null, ended: () => this.state.status === "closed",
        run: (...args) => this.#handlers.run(...args),
        call: (event, resolve, reject, first) => this.#calls.call(event, this.#o.timeoutMs, resolve, reject, first),
      });
      this.#heart = new Heartbeat({...link, options: this.#o, dead: (text) => this.#down(1006, text, false, "dead")});
      this.#writer = new Writer(this.#out, {...link, bundle: this.#o.bundle, sent: (f) => this.#ws ? this.#wire.sent(f) : f(), ping: () => this.ping(),
        claim: () => this.#keeper.on && this.#out.keeps && this.#out.claim() && this.#keeper.save()});
      this.#inbox = new Inbox({...link, credit: this.#o.credit, keeps: () => this.#out.keeps, asks: () => this.#calls.size > 0});
      this.#keeper = new Keeper(this.#o.store, this.#out, this.#inbox, {
        ...link, expire: (item) => this.#expire(item),
        state: () => ({session: this.#session, epoch: this.#epoch, cb: this.#calls.last}),
        restored: ({session, cb}) => {
          this.#calls.last += cb;
          [this.#session, this.#again] = [session, session !== null];
        },
      });
      this.state = Object.freeze({
        status: "closed", reason: null, open: false, uid: null, session: null, since: null, handshake: null,
        recovery: null, lastClose: null, attempts: 0, nextRetryAt: null, offline: !!root.navigator && root.navigator.onLine === false,
      });
      this.#listen(true);
      this.#dial("connect");
    }

    /** Events, calls and replies that were not written yet. */
    get queued() { return this.#out.items.length - this.#out.written + this.#out.acked; }

    /** Replies, late and second ones too, to no call that is open. */
    get lateReplies() { return this.#calls.late; }

    /**
     * What would be lost with the page: {count, safeToClose, oldestMs}, for a beforeunload handler or a "saving" mark.
     * With recovery it counts down when the sidecar acknowledges, within about a second; without, when the socket took it.
     */
    get pending() {
      const {items} = this.#out;
      const safeToClose = items.length === 0 && !(this.#ws && this.#wire.buffered > 0);
      return {count: items.length, safeToClose, oldestMs: items.length > 0 ? Math.max(0, Date.now() - items[0].at) : 0};
    }

    /**
     * Calls fn(data, event) for each event with this id, or all with "*"; returns what ends it. The value (or promise)
     * of a call's first handler is the reply, its throw an error of category "fault"; "*" only looks on.
     * An event's handler that returns a promise slows the sender too: its credit is given back once that is settled, at
     * most 5 s later, at once while a call of ours is open.
     */
    on(id, fn) {
      this.#handlers.on(id, fn);
      return () => this.off(id, fn);
    }

    /** Ends one handler of an id, or without fn all of them. */
    off(id, fn) { this.#handlers.off(id, fn); }

    /**
     * Sends an event, send("chat/msg", data) or send(["chat/msg", data]), as {status, queueSize}. "ok" leaves now, or in
     * the bundle that does; "queued" keeps its place until there is a link and credit; "rejected" was not taken and
     * error says why. What is not written within expiresMs is dropped, and told to onError. Throws on a bad id.
     */
    send(id, data, options) {
      const event = eventOf("send", id, data);
      const {status, queueSize, error} = this.#put(event, event[0], "event", Array.isArray(id) ? data : options);
      return error ? {status, queueSize, error} : {status, queueSize};
    }

    /**
     * Calls; resolves to the reply. Rejects with chsk/timeout, with chsk/closed once it is sure that no reply can come
     * (the session was not recovered), or with the error that is the reply. It waits for a link, within its time.
     */
    ask(id, data, {timeoutMs = this.#o.timeoutMs} = {}) {
      return new Promise((resolve, reject) => {
        const event = eventOf("ask", id, data);
        if (this.#calls.size >= this.#o.maxCalls) throw busy(event[0], "too many are open already");
        this.#calls.call(event, timeoutMs, resolve, reject);
      });
    }

    /** Calls fn(data, {channel, from}) for what is published, after reconnects too. Resolves once the sidecar took it. */
    subscribe(channel, fn) { return this.#channels.subscribe(channel, fn); }

    /** Ends one function's subscription, or without fn the channel's. */
    unsubscribe(channel, fn) { return this.#channels.unsubscribe(channel, fn); }

    /** Publishes to a channel, subscribed or not. Returns what send returns. */
    publish(channel, data, {excludeSender = false} = {}) {
      return this.send("sente-lite/publish", {"channel-id": channel, data, "exclude-sender?": excludeSender});
    }

    /** Peers of uid get "msg/receive" {"from-uid", message}. Returns what send returns. */
    sendTo(uid, message) { return this.send("msg/send-to-client", {"to-uid": uid, message}); }

    /** The time to the sidecar and back, in milliseconds. */
    ping({timeoutMs = this.#o.pingTimeoutMs} = {}) { return this.#heart.ping(timeoutMs); }

    /**
     * Resolves once all that was sent before is written, with acked once the sidecar has it: by its acknowledgement, or
     * without recovery by a pong. Rejects with chsk/timeout, or chsk/closed where that cannot be known any more.
     */
    flush({acked = false, timeoutMs = this.#o.timeoutMs} = {}) {
      if (this.#out.items.length > 0 && this.state.status === "closed") return Promise.reject(this.#closed("flush", true));
      return this.#writer.flush(acked, timeoutMs);
    }

    /** Connects anew now, whatever the state, and resumes the session. */
    reconnect() {
      this.#drop(3000, "reconnect"); // 1000 would end the session
      this.#listen(true);
      this.#dial("reconnect");
    }

    /**
     * Ends the client and its session: no retries, open calls fail. What waits is written first and is on its way
     * (flush({acked: true}) where that must be sure); without a link it is kept for reconnect().
     */
    close() {
      this.#writer.pump(true);
      this.#forget("closed");
      this.#drop(1000, "closed");
      this.#listen(false);
      this.#restart(false);
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
        if (this.#keeper.loading) await this.#keeper.loading;
        if (typeof token === "function") token = await token();
      } catch (e) {
        if (turn === this.#turn) this.#down(1006, `token: ${e?.message}`, false, "token-failed");
      }
      if (turn !== this.#turn) return;
      let ws, wire;
      try {
        const url = new URL(this.#url);
        if (this.#session) [["session", this.#session], ["seen", this.#inbox.seen]].forEach((p) => url.searchParams.set(...p));
        this.#ws = ws = new this.#o.WebSocket(url.href, token ? protocolsOf(token) : []);
        wire = this.#wire = new Wire(ws, this.#o.gzip);
      } catch (e) {
        this.#drop();
        // Browsers name the whole URL; what is in its query is nobody else's.
        const reason = e.message.replace(/\b((?:ws|http)s?:[^\s?'"]*)\?[^\s'"]*/gi, "$1");
        return this.#end({code: 1006, reason, clean: false, why: "bad-socket"});
      }
      ws.onmessage = (m) => {
        this.#heart.heard();
        wire.take(m.data, () => this.#most, (data) => this.#take(ws, data));
      };
      ws.onclose = (e) => wire.heard(() => {
        if (ws !== this.#ws) return;
        const why = e.code === 1006 && !this.state.open ? "unreachable" : CLOSES[e.code];
        this.#down(e.code, e.reason, e.wasClean, why || (e.code < 4500 ? "server-closed" : "refused"));
      });
      ws.onerror = () => {}; // the close that follows says what there is to say
    }

    #live() { return this.#up && this.#ws !== null && this.#ws.readyState === 1; }

    #opened([uid, , data, first]) {
      if (this.#up) return;
      clearTimeout(this.#dialTimer);
      data = data || {};
      const out = this.#out;
      const [again, asked, limits] = [this.#again, this.#session, data.limits || {}];
      this.#limits = limits;
      out.keeps = this.#o.recover && typeof data.session === "string" && limits["backup-secs"] > 0;
      out.credit = data.credit ?? Infinity;
      const recovered = asked !== null && out.keeps && data["recovered?"] === true;
      if (recovered && !out.resume(data.seen)) return this.#uncounted(`the sidecar has ${data.seen} items`);
      const unsure = recovered ? 0 : this.#restart(true);
      if (!out.keeps) out.committed = Infinity;
      const missed = data.missed ?? (recovered ? 0 : null);
      const recovery = again ? Object.freeze({recovered, missed: asked || missed ? missed : null, unsure,
        reason: recovered ? null : asked ? data.reason || "unsupported" : this.#lostBy}) : null;
      this.#again = true;
      this.#session = out.keeps ? data.session : null;
      if (!out.keeps) this.#lostBy = "off";
      // Joins of a new session go ahead of what waited, so that nothing published now is missed, and both ahead of what
      // onState sends.
      this.#channels.join(!recovered);
      this.#up = true;
      this.#writer.pump(true);
      this.#heart.watch();
      this.#keeper.save();
      this.#set({status: "open", open: true, uid, session: data.session || null, since: Date.now(), attempts: 0, recovery,
        handshake: {...data, first}}, recovered ? "resumed" : again ? "reopened" : "opened");
      again ? this.#handlers.run(this.#o.onReconnect, this.state, recovery) : this.#handlers.run(this.#o.onOpen, this.state);
    }

    /** There is nothing to resume any more. */
    #forget(why) { [this.#session, this.#lostBy] = [null, why]; }

    /** The two sides do not agree on what came: a new session is better than one with holes. */
    #uncounted(text) {
      this.#forget("uncounted");
      this.#down(1006, text, false, "uncounted");
    }

    /** The session before is gone, and with it the fate of what was written. Returns how many events that are. */
    #restart(report) {
      const out = this.#out;
      const unsure = out.restart().filter((i) => i.kind === "event");
      this.#epoch++;
      this.#inbox.restart(0);
      if (this.#keeper.on) out.committed = 0;
      this.#calls.end((event) => this.#closed(event, false), true);
      for (const {cb} of out.remove((i) => i.id === "sente-lite/unsubscribe")) this.#calls.settle(cb, null);
      this.#channels.left();
      if (unsure.length > 0 && report) {
        const events = {};
        for (const {id} of unsure) events[id] = (events[id] || 0) + 1;
        this.#report(fail("interrupted", "sente-lite/unsure", unsure[0].id,
          `${unsure.length} events were written and not acknowledged: they may have arrived or not, and are not sent again`,
          {data: {count: unsure.length, events}}));
      }
      if (unsure.length > 0) this.#writer.fail(this.#closed("flush", false), (f) => f.acked);
      return unsure.length;
    }

    /** Leaves the socket behind, and fails what was sent over it if there is no session to resume. */
    #drop(code, reason) {
      this.#turn++;
      this.#up = false;
      for (const t of [this.#retryTimer, this.#dialTimer]) clearTimeout(t);
      this.#writer.rest();
      this.#inbox.rest();
      const ws = this.#ws;
      this.#ws = null;
      if (ws) {
        ws.onmessage = ws.onclose = null; // onerror stays: npm's ws throws without one
        if (ws.readyState < 2) code ? this.#wire.sent(() => ws.close(code, reason)) : ws.close();
      }
      this.#heart.rest();
      if (this.#session) return;
      this.#epoch++;
      this.#calls.end((event) => this.#closed(event, false), true);
      this.#channels.left();
    }

    #down(code, reason, clean, why) {
      const {open, since} = this.state;
      const lastClose = Object.freeze({code, reason, clean, why});
      if (code === 4500) this.#forget("replaced"); // another has it
      this.#drop();
      if (code >= 4500 && code <= 4999) return this.#end(lastClose);
      if (open && Date.now() - since >= STABLE_MS) this.#tries = 0;
      // Who is overloaded is not helped by haste, and one that restarts has everybody coming back at once.
      this.#tries = Math.max(this.#tries, {1001: 2, 4001: 1}[code] || 0);
      const spread = code === 4002 && /spread-ms=(\d+)/.exec(reason);
      const delay = Math.round(spread ? Math.random() * spread[1] : this.#o.backoff(this.#tries));
      this.#retryTimer = setTimeout(() => this.#dial("retry"), delay);
      this.#set({status: "waiting", open: false, lastClose, attempts: ++this.#tries, nextRetryAt: Date.now() + delay}, why);
      if (open) this.#handlers.run(this.#o.onClose, lastClose);
    }

    #end(lastClose) {
      if (this.state.status === "closed") return;
      const {open} = this.state;
      this.#out.remove((i) => i.kind === "call");
      this.#calls.end((event) => this.#closed(event, true));
      this.#channels.fail(this.#closed("sente-lite/subscribe", true));
      this.#writer.fail(this.#closed("flush", true));
      this.#tries = 0;
      this.#keeper.save();
      this.#set({status: "closed", open: false, nextRetryAt: null, lastClose: Object.freeze(lastClose)}, lastClose.why);
      if (open || lastClose.why !== "closed") this.#handlers.run(this.#o.onClose, lastClose);
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
      if (this.#live()) this.#heart.probe(WAKE_PING_MS);
      else if (this.state.status === "waiting" && type !== "offline") this.#dial(type === "online" ? type : "visible");
    };

    // Out.
    #put(value, id, kind, {cb, first = false, expiresMs} = {}) {
      const out = this.#out;
      const rejected = (error) => ({status: "rejected", queueSize: this.queued, error});
      let text;
      try {
        text = this.#form.pack(value);
      } catch (e) {
        return rejected(fail("incorrect", "sente-lite/unpackable", id, e.message));
      }
      const bytes = sizeOf(text);
      if (!counted(value)) return rejected(fail("forbidden", "sente-lite/reserved", id, "only the link itself says that"));
      if (bytes > this.#most) return rejected(fail("incorrect", "sente-lite/too-large", id, `more than ${this.#most} bytes`));
      if (this.state.status === "closed") return rejected(this.#closed(id, true));
      if (!first && out.full(bytes, this.#live() ? this.#wire.buffered : 0)) {
        return rejected(busy(id, "too much waits to be sent"));
      }
      const item = out.add({text, bytes, id, kind, cb}, first);
      if (expiresMs >= 0) this.#expire(Object.assign(item, {expiresAt: Date.now() + expiresMs}));
      this.#writer.pump(kind !== "event");
      this.#keeper.save();
      const leaves = this.#live() && (item.n > 0 ? item.n <= out.written : out.next(Infinity, Infinity).includes(item));
      return {status: leaves ? "ok" : "queued", queueSize: this.queued, item};
    }

    get #most() { return this.#limits["max-message-bytes"] || MOST; }

    #expire(item) {
      setTimeout(() => {
        if (this.#out.remove((i) => i === item).length === 0) return;
        this.#report(fail("unavailable", "sente-lite/expired", item.id, "there was no link within its time", {retry: true}));
        this.#writer.flushed();
        this.#keeper.save();
      }, Math.min(2 ** 31 - 1, Math.max(0, item.expiresAt - Date.now())));
    }

    // In.
    #take(ws, data) {
      if (ws !== this.#ws) return;
      let items;
      try {
        if (data instanceof Error) throw data;
        const value = this.#form.unpack(data);
        items = Array.isArray(value) && value[0] === "batch/events" ? value[1] : [value];
        if (!Array.isArray(items)) throw new TypeError("a bundle without items");
      } catch (e) {
        this.#unreadable(e);
        if (this.#session && (data instanceof Error || this.#form.bundles(data))) return this.#uncounted("a bundle could not be read");
        items = [];
        this.#inbox.came(); // one, whatever it was
        this.#inbox.handled();
      }
      for (const item of items) {
        if (ws !== this.#ws) return; // a handler may have closed it: the next link brings the rest
        this.#inbox.came(item);
        let doing;
        try {
          doing = this.#item(item);
        } catch (e) {
          this.#unreadable(e);
        }
        if (ws === this.#ws) this.#inbox.handled(item, doing);
      }
    }

    #unreadable(e) {
      this.#report(fail("incorrect", "sente-lite/bad-message", "the sidecar", `sent what cannot be read: ${e.message}`));
    }

    /** Returns a promise where the page's handlers are not done with an event yet. */
    #item(item) {
      if (Array.isArray(item[0])) return item[1] === null ? this.#item(item[0]) : void this.#serve(...item);
      const [id, data] = item;
      if (!Array.isArray(item) || typeof id !== "string") throw new TypeError("neither event, call nor reply");
      switch (id) {
        case "chsk/handshake": return this.#opened(data);
        case "chsk/ws-ping": return this.#wire.send(this.#form.pack(["chsk/ws-pong"]));
        case "chsk/ws-pong": return this.#heart.pong();
        case "sente-lite/ack":
          this.#out.ack(data);
          this.#writer.pump(); // what waited for room
          return this.#keeper.save();
        case "sente-lite/credit":
          if (data > 0) this.#out.credit += data;
          return this.#writer.pump();
        case "chsk/reply": return this.#calls.settle(data, item[2]);
        case "sente-lite/subscribed":
          if (this.#channels.cb(data?.["channel-id"])) this.#calls.settle(this.#channels.cb(data["channel-id"]), data);
          break;
        case "sente-lite/channel-msg": return this.#handlers.tell(item, data ? this.#channels.heard(data) : []);
        case "sente-lite/error": this.#report(errorIn(item));
      }
      return this.#handlers.tell(item);
    }

    async #serve(event, cb) {
      const epoch = this.#epoch;
      const text = await this.#handlers.serve(event, cb);
      if (epoch !== this.#epoch) return; // a reply belongs to the session that its call came in
      this.#out.add({text, bytes: sizeOf(text), id: "chsk/reply", kind: "reply"});
      this.#writer.pump(true);
      this.#keeper.save();
    }

    // What is told to the page.
    #set(patch, reason) {
      const old = this.state;
      this.state = Object.freeze({...old, ...patch, reason});
      this.#handlers.run(this.#o.onState, this.state, old);
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

  // include connect.js

  const SenteLite = {connect, backoff, Error: SenteLiteError, gzip, ungzip, gzipString: gzip, ungzipString};
  if (typeof module === "object" && module.exports) module.exports = SenteLite;
  else root.SenteLite = SenteLite;
})(globalThis);
