// SPDX-License-Identifier: Apache-2.0
// nats.js in the benchmark: CASE N SIZE URL.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const require = createRequire(`${process.env.BENCH_NODE_MODULES}/`);
const nats = require("nats");
const [name, count, bytes, url] = process.argv.slice(2);
const n = Number(count);
const size = Number(bytes);
const read = name.endsWith("_read");
const withHeaders = read || name.endsWith("_hdr");
const withAck = name.endsWith("_ack");
const base = name.replace(/_(hdr|read|ack)$/, "");
const payload = new Uint8Array(size).fill(120);
const latencies = [];
const result = { n, size, got: n };
let usage;
let time;

function status(field) {
  return Number(new RegExp(`^${field}:\\s*(\\d+)`, "m").exec(readFileSync("/proc/self/status", "latin1"))[1]);
}

function begin() {
  usage = process.resourceUsage();
  time = process.hrtime.bigint();
}

function end() {
  result.seconds = Number(process.hrtime.bigint() - time) / 1e9;
  const now = process.resourceUsage();
  result.user = (now.userCPUTime - usage.userCPUTime) / 1e6;
  result.sys = (now.systemCPUTime - usage.systemCPUTime) / 1e6;
  result.switches = now.voluntaryContextSwitches - usage.voluntaryContextSwitches +
    now.involuntaryContextSwitches - usage.involuntaryContextSwitches;
  result.threads = status("Threads");
}

function look(msg) {
  if (msg.data.length !== size) throw new Error("a message of another size");
  if (read && msg.headers.get("Bench-Two") !== "second value") throw new Error("another header");
}

function connected() {
  return nats.connect({ servers: url });
}

async function timed(work) {
  const then = process.hrtime.bigint();
  await work();
  latencies.push(Number(process.hrtime.bigint() - then) / 1e3);
}

async function ask(nc) {
  look(await nc.request("bench.echo", payload, { timeout: 60000 }));
}

// What the harness has made for the cases js_... and kv_...
const stream = "BENCH";
const streamSubject = "bench.js";
const consumerName = "bench";
const bucket = "bench";
const keys = 1000;
const window = 4000;
const batch = 1000;

function take(msg) {
  look(msg);
  if (withAck) msg.ack();
}

// Acks are written before the clock stops.
async function finish(nc) {
  if (withAck) await nc.flush();
  end();
}

function consumer(nc) {
  return nc.jetstream().consumers.get(stream, consumerName);
}

async function idle(work) {
  const before = status("VmRSS");
  begin();
  await work();
  end();
  result.each_bytes = Math.round((status("VmRSS") - before) * 1024 / n);
}

const cases = {
  async pub(nc) {
    const headers = nats.headers();
    headers.set("Bench-One", "first value");
    headers.set("Bench-Two", "second value");
    const options = withHeaders ? { headers } : undefined;
    begin();
    for (let i = 0; i < n; i++) nc.publish("bench.test", payload, options);
    await nc.flush();
    end();
  },
  async sub_iter(nc) {
    const sub = nc.subscribe("bench.test");
    let left = n;
    await nc.flush();
    begin();
    nc.publish(`bench.start.${n}.${size}.${withHeaders ? 1 : 0}`);
    for await (const msg of sub) {
      look(msg);
      if (--left === 0) break;
    }
    end();
  },
  async sub_cb(nc) {
    let left = n;
    let done;
    const all = new Promise((resolve) => { done = resolve; });
    nc.subscribe("bench.test", {
      callback(error, msg) {
        if (error) throw error;
        look(msg);
        if (--left === 0) done();
      },
    });
    await nc.flush();
    begin();
    nc.publish(`bench.start.${n}.${size}.${withHeaders ? 1 : 0}`);
    await all;
    end();
  },
  async req(nc) {
    for (let i = 0; i < 100; i++) await ask(nc);
    begin();
    for (let i = 0; i < n; i++) await timed(() => ask(nc));
    end();
  },
  async req64(nc) {
    const each = Math.floor(n / 64);
    begin();
    await Promise.all(Array.from({ length: 64 }, async () => {
      for (let i = 0; i < each; i++) await ask(nc);
    }));
    end();
    result.n = result.got = each * 64;
  },
  async js_pub(nc) {
    const js = nc.jetstream({ timeout: 60000 });
    const acks = [];
    begin();
    for (let i = 0; i < n; i++) {
      if (i >= window) await acks[i - window];
      acks.push(js.publish(streamSubject, payload));
    }
    const last = await Promise.all(acks);
    end();
    result.got = last.filter((ack) => ack.stream === stream).length;
  },
  async js_fetch(nc) {
    const from = await consumer(nc);
    let left = n;
    begin();
    while (left > 0) {
      const msgs = await from.fetch({ max_messages: Math.min(batch, left), expires: 60000 });
      for await (const msg of msgs) {
        take(msg);
        left--;
      }
    }
    await finish(nc);
    result.got = n - left;
  },
  async js_consume_iter(nc) {
    const from = await consumer(nc);
    let left = n;
    begin();
    for await (const msg of await from.consume({ max_messages: batch })) {
      take(msg);
      if (--left === 0) break;
    }
    await finish(nc);
  },
  async js_consume_cb(nc) {
    const from = await consumer(nc);
    let left = n;
    let done;
    const all = new Promise((resolve) => { done = resolve; });
    begin();
    await from.consume({
      max_messages: batch,
      callback(msg) {
        take(msg);
        if (--left === 0) done();
      },
    });
    await all;
    await finish(nc);
  },
  async kv_watch(nc) {
    const kv = await nc.jetstream().views.kv(bucket, { bindOnly: true });
    let got = 0;
    begin();
    for await (const entry of await kv.watch()) {
      if (entry.value.length !== size) throw new Error("a value of another size");
      got++;
      if (entry.delta === 0) break;
    }
    end();
    result.got = got;
  },
  async kv_get(nc) {
    const kv = await nc.jetstream().views.kv(bucket, { bindOnly: true });
    const get = async (i) => {
      const entry = await kv.get(`key.${i % Math.min(n, keys)}`);
      if (entry.value.length !== size) throw new Error("a value of another size");
    };
    for (let i = 0; i < 100; i++) await get(i);
    begin();
    for (let i = 0; i < n; i++) await timed(() => get(i));
    end();
  },
  async kv_put(nc) {
    const kv = await nc.jetstream().views.kv(bucket, { bindOnly: true });
    begin();
    for (let i = 0; i < n; i++) await timed(async () => { result.got = await kv.put(`key.${i % keys}`, payload); });
    end();
  },
  async obj_put(nc) {
    const os = await nc.jetstream().views.os(bucket);
    begin();
    for (let i = 0; i < n; i++) await timed(() => os.putBlob({ name: `put.${i}` }, payload));
    end();
  },
  async obj_get(nc) {
    const os = await nc.jetstream().views.os(bucket);
    begin();
    for (let i = 0; i < n; i++) {
      await timed(async () => {
        if ((await os.getBlob("object")).length !== size) throw new Error("not the whole object");
      });
    }
    end();
  },
  async idle_subs(nc) {
    await nc.flush();
    await idle(async () => {
      for (let i = 0; i < n; i++) nc.subscribe(`bench.idle.${i}`, { callback() {} });
      await nc.flush();
    });
  },
  async idle_conns() {
    await idle(async () => {
      for (let i = 0; i < n; i++) await connected();
    });
  },
  async connect() {
    begin();
    for (let i = 0; i < n; i++) await timed(async () => (await connected()).close());
    end();
  },
};

const nc = await connected();
if (!(base in cases)) process.exit(77);
await cases[base](nc);
if (latencies.length > 0) {
  latencies.sort((a, b) => a - b);
  result.p50_us = latencies[Math.floor(latencies.length / 2)];
  result.p99_us = latencies[Math.floor(latencies.length * 99 / 100)];
}
result.hwm_kib = status("VmHWM");
result.version = require("nats/package.json").version;
console.log(JSON.stringify(result));
process.exit(0);
