-- ws:// and wss:// against real servers: messages, certificates, headers, refusals, what is not mixed.
local helper = require "helper"
local nats = require "natskit"
local testing = helper.testing

local PLAIN = 'websocket { listen: "127.0.0.1:@PORT1@", no_tls: true, same_origin: true }'

local wallet = testing.wallet()

-- The path of one of its files.
local function path(name)
    return wallet.dir .. "/" .. name
end

local function url_of(scheme)
    return ("%s://127.0.0.1:%d"):format(scheme, helper.server:extra_port(1))
end

local function talk(nc)
    local sub = assert(nc:subscribe("ws.>"))
    for _, size in ipairs { 0, 1, 125, 126, 65536, 300000 } do
        local data = ("x"):rep(size)
        assert(nc:publish("ws.a", data))
        assert.are.equal(data, assert(sub:next(20)).data)
    end
    sub:close()
end

describe("WebSocket", function()
    after_each(function()
        helper.nothing_left()
        helper.stop()
    end)

    it("carries messages", function()
        helper.start({ extra = PLAIN, jetstream = false })
        local tap = testing.tap(url_of("ws"))
        local nc = helper.connect(nil, tap.url)
        assert.are.equal("ws://", nc:info().url:sub(1, 5))
        assert.is_false(nc:info().tls)
        talk(nc)
        nc:close()
        tap:close()
    end)

    it("goes through TLS", function()
        helper.start({
            extra = ('websocket { listen: "127.0.0.1:@PORT1@", tls { cert_file: %s, key_file: %s } }'):format(
                path("server.pem"), path("server.key")),
            jetstream = false,
        })
        local nc = helper.connect({ tls_ca_file = path("ca.pem") }, url_of("wss"))
        assert.are.equal("wss://", nc:info().url:sub(1, 6))
        assert.is_true(nc:info().tls)
        talk(nc)
        nc:close()
        helper.fails("tls_certificate", nats.connect(url_of("wss"), { tls_ca_file = path("other-ca.pem") }))
        helper.raises("tls is off", nats.connect, url_of("wss"), { tls = "off" })
    end)

    it("has headers, and says why it is refused", function()
        helper.start({ extra = PLAIN, jetstream = false })
        local origin = ("Origin: http://127.0.0.1:%d"):format(helper.server:extra_port(1))
        local nc = helper.connect({ ws_headers = { "X-One: 1, 2", origin } }, url_of("ws"))
        talk(nc)
        nc:close()
        local _, why, code = nats.connect(url_of("ws"), { ws_headers = { "Origin: http://elsewhere.test" } })
        assert.are.equal("ws_refused", code)
        assert.truthy(why:find("403 Forbidden", 1, true), why)
        helper.raises("ws_headers", nats.connect, url_of("ws"), { ws_headers = { "no colon" } })
        helper.fails("websocket", nats.connect(("ws://127.0.0.1:%d"):format(helper.server:port())))
    end)

    it("is not mixed with other urls", function()
        helper.start({ extra = PLAIN, jetstream = false })
        helper.raises("not mixed", nats.connect, url_of("ws") .. ",nats://127.0.0.1:1")
    end)

    it("is what the example shows", function()
        helper.start({ extra = PLAIN, jetstream = false })
        local environment = ("NATS_URL=%s LUA_PATH='%s' LUA_CPATH='%s'"):format(url_of("ws"), package.path,
            package.cpath)
        local pipe = assert(io.popen(("%s timeout -k 1 60 lua5.4 %s/examples/lua/websocket.lua 2>&1"):format(
            environment, helper.root)))
        local output = pipe:read("a")
        assert.is_true(pipe:close(), output)
        assert.truthy(output:find("received greet.joe 'hello'", 1, true), output)
    end)
end)
