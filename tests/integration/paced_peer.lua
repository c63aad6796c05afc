-- SPDX-License-Identifier: Apache-2.0
-- The Lua end of the paced tests (paced.h): paced_peer.lua send|receive URL NAME COUNT
local nats = require "natskit"

local CREDIT <const>, WINDOW <const> = 256, 4
local bytes = {}
for i = 0, 131071 do
  bytes[#bytes + 1] = string.char((i * 131 + (i >> 8) * 17) & 255)
end
local block = table.concat(bytes)

local function message(index)
  local mixed = index * 2654435761 & 0xFFFFFFFF
  local base = 16 << (mixed >> 24) % 12
  local size = base + (mixed & 0xFFFFFF) % base
  local offset = index * 8191 % 65536
  return string.pack("<I8", index) .. block:sub(offset + 1, offset + size - 8)
end

local function receive(nc, name, count)
  local sub = assert(nc:subscribe(name .. ".data"))
  for _ = 1, WINDOW do
    assert(nc:publish(name .. ".credit.lua", ""))
  end
  local index = 0
  while index < count do
    for _, msg in ipairs(assert(sub:next_batch(64, 60))) do
      local data = msg.data
      if data ~= message(index) then
        error("message " .. index .. " is not what was sent: " .. #data .. " bytes")
      end
      index = index + 1
      if index % CREDIT == 0 then
        assert(nc:publish(name .. ".credit.lua", ""))
      end
    end
  end
  assert(nc:publish(name .. ".done.lua", ""))
  assert(nc:flush(60))
end

local function send(nc, name, count)
  local credits = assert(nc:subscribe(name .. ".credit.c"))
  assert(nc:publish(name .. ".ready", ""))
  local allowed = 0
  for index = 0, count - 1 do
    while index >= allowed do
      assert(credits:next(60))
      allowed = allowed + CREDIT
    end
    assert(nc:publish(name .. ".data", message(index)))
  end
  assert(nc:flush(60))
end

local action, url, name, count = table.unpack(arg)
local nc <close> = assert(nats.connect(url))
local run = { send = send, receive = receive }
run[action](nc, name, tonumber(count))
