// SPDX-License-Identifier: Apache-2.0
//
// Buckets of the reference (npm `nats`), as the other end of kv_peer.py. `write URL BUCKET [base64]`: makes a bucket and
// writes what kv_peer.py lists. `read URL BUCKET [base64]`: what it holds, one line of JSON.
"use strict";

const { connect, StringCodec } = require("nats");
const { Base64KeyCodec } = require("nats/lib/jetstream/kv"); // which the package does not export

const text = StringCodec();

async function open(nc, bucket, coded, more) {
    const same = { encode: (value) => value, decode: (value) => value };
    const codec = { key: coded ? Base64KeyCodec() : same, value: same };
    return nc.jetstream().views.kv(bucket, { codec, ...more });
}

async function write(nc, bucket, steps, coded) {
    const kv = await open(nc, bucket, coded, { history: 5, storage: "memory" });
    const revisions = [];
    for (const [action, key, value, revision] of JSON.parse(steps)) {
        if (action === "put") {
            revisions.push(await kv.put(key, text.encode(value)));
        } else if (action === "create") {
            revisions.push(await kv.create(key, text.encode(value)));
        } else if (action === "update") {
            revisions.push(await kv.update(key, text.encode(value), revision));
        } else if (action === "delete") {
            await kv.delete(key);
        } else {
            await kv.purge(key);
        }
    }
    console.log(JSON.stringify(revisions));
}

function told(entry) {
    return [entry.key, entry.operation, text.decode(entry.value), entry.revision];
}

async function read(nc, bucket, names, coded) {
    const kv = await open(nc, bucket, coded, { bindOnly: true });
    const found = { keys: [], values: {}, history: {}, watched: [] };
    for await (const key of await kv.keys()) {
        found.keys.push(key);
    }
    found.keys.sort();
    for (const key of JSON.parse(names)) {
        const entry = await kv.get(key);
        found.values[key] = entry === null || entry.operation !== "PUT" ? null : [text.decode(entry.value), entry.revision];
        found.history[key] = [];
        for await (const old of await kv.history({ key })) {
            found.history[key].push(told(old));
        }
    }
    const count = (await kv.status()).values;
    for await (const entry of await kv.watch({ include: "history" })) {
        found.watched.push(told(entry));
        if (found.watched.length === count) {
            break;
        }
    }
    console.log(JSON.stringify(found));
}

async function main() {
    const [, , what, servers, bucket, list, codec] = process.argv;
    const nc = await connect({ servers });
    await (what === "write" ? write : read)(nc, bucket, list, codec === "base64");
    await nc.close();
}

main().catch((error) => {
    console.error(error);
    process.exit(1);
});
