// SPDX-License-Identifier: Apache-2.0
//
// Object stores of the reference (npm `nats`), as the other end of object_peer.py. `write URL STORE ROWS`: makes a store and
// puts what object_peer.py lists. `read URL STORE NAMES`: what they are, and the digests of what was read, as JSON. What is
// larger than WHOLE goes piece by piece, so that nothing holds it.
"use strict";

const { createHash } = require("crypto");
const { connect, headers, StorageType } = require("nats");

const WHOLE = 16 << 20;
const PIECE = 251 * 4096;

function content(size) {
    return Uint8Array.from({ length: size }, (_, i) => i % 251);
}

// The same as a stream. The client publishes as fast as it can read, and only waits for the acks at the end; the flush has
// it wait for the server at each piece.
function stream(nc, size) {
    const piece = content(PIECE);
    let left = size;
    return new ReadableStream({
        async pull(controller) {
            controller.enqueue(piece.slice(0, Math.min(left, PIECE)));
            left -= Math.min(left, PIECE);
            if (left === 0) {
                controller.close();
            }
            await nc.flush();
        },
    });
}

function block(rows) {
    const made = headers();
    for (const [name, values] of Object.entries(rows)) {
        for (const value of values) {
            made.append(name, value);
        }
    }
    return made;
}

async function write(nc, store, rows) {
    const os = await nc.jetstream().views.os(store, { storage: StorageType.Memory });
    for (const row of JSON.parse(rows)) {
        if (row.link !== undefined) {
            await os.link(row.name, await os.info(row.link));
        } else if (row.store) {
            await os.linkStore(row.name, os);
        } else {
            const meta = { name: row.name, description: row.description, metadata: row.metadata };
            if (row.headers) {
                meta.headers = block(row.headers);
            }
            if (row.chunk_size) {
                meta.options = { max_chunk_size: row.chunk_size };
            }
            if (row.size > WHOLE) {
                await os.put(meta, stream(nc, row.size), { timeout: 60000 });
            } else {
                await os.putBlob(meta, content(row.size));
            }
            if (row.deleted) {
                await os.delete(row.name);
            }
        }
    }
    console.log("true");
}

function filled(object) {
    return object && Object.keys(object).length > 0 ? object : null;
}

function headersOf(info) {
    const block = info.headers;
    return block ? filled(Object.fromEntries(block.keys().map((name) => [name, block.values(name)]))) : null;
}

async function digest(os, name, size) {
    const hash = createHash("sha256");
    if (size > WHOLE) {
        const { data, error } = await os.get(name);
        for await (const piece of data) {
            hash.update(piece);
        }
        const wrong = await error;
        if (wrong) {
            throw wrong;
        }
    } else {
        hash.update(await os.getBlob(name));
    }
    return hash.digest("hex");
}

async function read(nc, store, names) {
    const os = await nc.jetstream().views.os(store);
    const found = {};
    for (const name of JSON.parse(names)) {
        const info = await os.info(name);
        if (info === null || info.deleted) {
            found[name] = null;
            continue;
        }
        const link = info.options && info.options.link;
        found[name] = {
            size: info.size || 0,
            chunks: info.chunks || 0,
            description: info.description || null,
            headers: headersOf(info),
            metadata: filled(info.metadata),
            link: link ? [link.bucket, link.name || null] : null,
            sha256: link && !link.name ? null : await digest(os, name, info.size),
        };
    }
    const listed = (await os.list()).map((info) => info.name).sort();
    console.log(JSON.stringify({ found, listed }));
}

async function main([action, url, store, what]) {
    const nc = await connect({ servers: url });
    await (action === "write" ? write : read)(nc, store, what);
    await nc.close();
}

main(process.argv.slice(2)).catch((error) => {
    console.error(error);
    process.exit(1);
});
