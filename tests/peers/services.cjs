// SPDX-License-Identifier: Apache-2.0
//
// The reference's services (npm `nats`), as the other end of services_peer.py. `serve URL`: a service, until the
// standard input ends. `look URL NAME`: what its client finds of a service of that name, one line of JSON.
"use strict";

const { connect, JSONCodec, ServiceError, StringCodec } = require("nats");

async function serve(nc) {
    const codec = JSONCodec();
    const service = await nc.services.add({
        name: "theirs",
        version: "2.0.0",
        description: "the reference's",
        metadata: { by: "nats.js" },
    });
    const group = service.addGroup("theirs");
    group.addEndpoint("add", {
        metadata: { unit: "one" },
        handler: (_, msg) => {
            msg.respond(codec.encode(codec.decode(msg.data).reduce((a, b) => a + b, 0)));
        },
    });
    group.addEndpoint("bad", () => {
        throw new ServiceError(404, "no such \"thing\"");
    });
    await nc.flush();
    console.log("ready");
    process.stdin.resume();
    await new Promise((done) => process.stdin.on("end", done));
    await service.stop();
}

async function all(iterator) {
    const list = [];
    for await (const one of await iterator) {
        list.push(one);
    }
    return list;
}

async function look(nc, name) {
    const client = nc.services.client();
    const ping = await all(client.ping(name));
    const found = {
        ping,
        info: await all(client.info(name, ping[0].id)),
        everybody: (await all(client.ping())).length,
    };
    found.reply = StringCodec().decode((await nc.request("ours.add", "[1,2,3]")).data);
    const bad = await nc.request("ours.bad", "");
    found.isError = ServiceError.isServiceError(bad);
    const error = ServiceError.toServiceError(bad);
    found.error = { code: error.code, message: error.message };
    found.stats = await all(client.stats(name, ping[0].id));
    console.log(JSON.stringify(found));
}

async function main() {
    const [, , what, servers, name] = process.argv;
    const nc = await connect({ servers });
    await (what === "serve" ? serve(nc) : look(nc, name));
    await nc.close();
}

main().catch((error) => {
    console.error(error);
    process.exit(1);
});
