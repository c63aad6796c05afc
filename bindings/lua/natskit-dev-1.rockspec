rockspec_format = "3.0"
package = "natskit"
version = "dev-1"

-- Made in a checkout, from its root: luarocks --lua-version=5.4 make bindings/lua/natskit-dev-1.rockspec
source = {
  url = "git+file://.",
}

description = {
  summary = "NATS client over a C core",
  detailed = "Messaging, requests, reconnects and event loops for Lua 5.4, over the C library natskit.",
  license = "Apache-2.0",
  labels = { "nats", "messaging", "network" },
}

dependencies = {
  "lua >= 5.4, < 5.5",
}

build = {
  type = "cmake",
  variables = {
    CMAKE_BUILD_TYPE = "RelWithDebInfo",
    NATSKIT_BUILD_LUA = "ON",
    NATSKIT_BUILD_PYTHON = "OFF",
    NATSKIT_BUILD_TESTS = "OFF",
    NATSKIT_BUILD_EXAMPLES = "OFF",
    NATSKIT_INSTALL_C = "OFF",
    LUA_INCDIR = "$(LUA_INCDIR)",
    INST_LIBDIR = "$(LIBDIR)",
    INST_LUADIR = "$(LUADIR)",
    CMAKE_INSTALL_PREFIX = "$(PREFIX)",
  },
}

test_dependencies = {
  "busted",
}

test = {
  type = "busted",
  flags = { "tests/lua" },
}
