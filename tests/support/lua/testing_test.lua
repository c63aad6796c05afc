-- SPDX-License-Identifier: Apache-2.0
--
-- Tests of testing.lua; no client is involved. Run it with lua5.4 and NK_TAP set.

local folder = arg[0]:match("^(.*)/[^/]*$") or "."
package.path = folder .. "/?.lua;" .. package.path
local testing = require("testing")

do
    local server <close> = testing.server({ extra = "max_payload: 4000", name = "lua's" })
    local tap <close> = testing.tap(server)
    assert(tap.url == "nats://127.0.0.1:" .. tap.port)
    assert(server:log_contains("Server is ready") and not server:log_contains("no such text"))
    assert(server:monitor("/varz"):find('"max_payload": 4000', 1, true))
    tap:command("down split 1")
    assert(tap:stats().open == 0 and tap:wait_stat("connections", 0) == 0)
    assert(tap:violation() == nil)
    local good, why = pcall(tap.command, tap, "nonsense")
    assert(not good and why:find("unknown command"), why)
    local port, pid = server:port(), server:pid()
    server:kill()
    assert(server:pid() == 0)
    server:restart()
    assert(server:port() == port and server:pid() ~= pid)
end

do
    local cluster <close> = testing.cluster(2)
    assert(cluster[1]:url() ~= cluster[2]:url())
    cluster:wait_ready()
end

do
    local server = testing.scripted("stall until ctl\n")
    assert(server.helper:command("status"):match("^running") or server.helper:command("status"))
    server:proceed()
    server:wait()
    server:close()
    local good, why = pcall(testing.scripted, "no such directive")
    assert(not good and why:find("did not start"), why)
end

print("ok")
