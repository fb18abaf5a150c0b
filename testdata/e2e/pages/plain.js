// The page of scittle.cljs, with the sidecar's own client.

window.log = [];
const note = (...what) => window.log.push(what);

const s = SenteLite.connect({
  onOpen: ({handshake: {first, ...data}}) => note("handshake", Object.keys(data).sort(), first),
  onState: (now) => {
    if (now.status !== "closed" && now.status !== "waiting") return;
    const {code, reason, clean, why} = now.lastClose;
    note("closed", code, why === "closed" ? "closed" : reason, clean); // its own words for its own close
  },
  onError: (e) => note("error", e.message),
});

/** An error as the scenario notes it. */
const plain = (e) => ({category: e.category, code: e.code, message: e.message, "event-id": e.event, "retry?": e.retry});

s.on("do/event", (data) => (s.send("page/event", data), true));
s.on("do/ask", (data) => s.ask("page/ask", data));
s.on("do/title", () => document.title);
s.on("do/never", () => new Promise(() => {}));
s.on("do/subscribe", async (channel) => {
  await s.subscribe(channel, (data, {from}) => note("got", ["sente-lite/channel-msg", {"channel-id": channel, data, from}]));
  return true;
});
s.on("do/unsubscribe", async (channel) => (await s.unsubscribe(channel), true));
s.on("do/publish", ({channel, data, others}) => (s.publish(channel, data, {excludeSender: others}), true));
s.on("do/send-to", (data) => s.ask("msg/send-to-client", data).catch(plain));
s.on("do/forbidden", () => s.ask("sente-lite/peers", {}).catch(plain));
s.on("do/leave", () => {
  for (const n of [1, 2, 3]) s.send("page/event", n);
  s.close();
});
for (const id of ["page/hello", "page/by-client-id", "page/to-channel", "msg/receive"]) s.on(id, (data, event) => note("got", event));
