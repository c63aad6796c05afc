-- A bucket of another domain, behind a leaf node: read and written there, and mirrored here; real servers.
local helper = require "helper"
local nats = require "natskit"
local testing = require "testing"

local listen = 'listen: "127.0.0.1:-1"\nhttp: "127.0.0.1:-1"\n'
local hub_config = listen .. [[
server_name: hub
jetstream { store_dir: "@DIR@/js", domain: hub }
leafnodes { listen: "127.0.0.1:@PORT1@" }
]]
local leaf_config = listen .. [[
server_name: leaf
jetstream { store_dir: "@DIR@/js", domain: leaf }
leafnodes { reconnect: 1, remotes: [{ url: "nats-leaf://127.0.0.1:%d" }] }
]]

-- All that can be done with a bucket that is elsewhere, whose keys the origin sees.
local function use(kv, origin, bucket)
    assert.are.equal(1, kv:put("a.b", "1"))
    assert.are.equal("1", assert(origin:get "a.b").value)
    assert.are.equal(2, kv:update("a.b", "2", 1))
    helper.fails("wrong_last", kv:update("a.b", "3", 1))
    helper.fails("key_exists", kv:create("a.b", "3"))
    assert(origin:put("other", "3"))
    assert(kv:delete "other")
    assert.are.equal(5, kv:create("other", "5"))
    helper.eventually(function()
        local entry = kv:get "other"
        return entry and entry.revision == 5
    end, 30)
    local entry = assert(kv:get "a.b")
    assert.are.same({ bucket, "2", 2 }, { entry.bucket, entry.value, entry.revision })
    assert.are.same({ "a.b", "other" }, assert(kv:keys()))
    assert.are.equal("5", assert(kv:get_many { "none", "other" }).other.value)
    assert.are.equal(2, #assert(kv:history "a.b"))
    assert(kv:purge "a.b")
    helper.fails("key_deleted", origin:get "a.b")
    assert.are.equal(1, kv:delete_all "other")
    helper.fails("key_deleted", origin:get "other")
end

describe("a bucket of another domain", function()
    after_each(helper.nothing_left)

    it("is read and written there, and mirrored here", function()
        local hub = testing.server { config = hub_config }
        local leaf = testing.server { config = leaf_config:format(hub:extra_port(1)) }
        local there = assert(nats.connect(hub:url()))
        local nc = assert(nats.connect(leaf:url()))
        local js = assert(there:jetstream { timeout = 30 })
        local far = assert(nc:jetstream { domain = "hub", timeout = 30 })
        local here = assert(nc:jetstream { timeout = 30 })
        local origin = assert(js:create_kv { bucket = "A", history = 5 })
        local kv = helper.eventually(function() return far:open_kv("A", { timeout = 1 }) end, 30)
        use(kv, origin, "A")
        local mirrored = assert(js:create_kv { bucket = "M", history = 5 })
        assert(here:create_kv { bucket = "COPY", history = 5,
            mirror = { name = "M", domain = "hub" } })
        use(assert(here:open_kv "COPY"), mirrored, "M")
        there:close()
        nc:close()
        leaf:close()
        hub:close()
    end)
end)
