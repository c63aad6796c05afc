---@meta _
--- Annotations (LuaCATS) of keys and JWTs in the Lua module `natskit`. Never loaded at run time.

---@class natskit
local nats = {}

---@class natskit.Nkeys
nats.nkeys = {}

---@alias natskit.role "user"|"account"|"operator"|"server"|"cluster"

--- The seed of a new key, from the system's random source.
---@param role? natskit.role "user" without it
---@return string? seed
---@return string? message
---@return natskit.code? code
function nats.nkeys.create(role) end

--- The public key of a seed.
---@param seed string
---@return string? public_key
---@return string? message
---@return natskit.code? code "credentials"
function nats.nkeys.public_key(seed) end

--- A signature of 64 bytes.
---@param seed string
---@param data string
---@return string? signature
---@return string? message
---@return natskit.code? code "credentials"
function nats.nkeys.sign(seed, data) end

--- Whether a signature is of this key over these bytes.
---@param public_key string
---@param data string
---@param signature string
---@return boolean? holds
---@return string? message
---@return natskit.code? code "credentials"
function nats.nkeys.verify(public_key, data, signature) end

---@class natskit.Jwt
nats.jwt = {}

--- Issues the JWT of a user. Raises for options that are wrong.
---@param seed string of the account, or of one of its signing keys
---@param public_key string of the user
---@param options? natskit.IssueUserOptions
---@return string? jwt
---@return string? message
---@return natskit.code? code "credentials"
function nats.jwt.issue_user(seed, public_key, options) end

--- When a JWT expires. Its signature is not checked.
---@param jwt string
---@return number? seconds since 1970; math.huge never
---@return string? message
---@return natskit.code? code "credentials"
function nats.jwt.expiry(jwt) end

--- The text of a credentials file.
---@param jwt string
---@param seed string of the user
---@return string? creds
---@return string? message
---@return natskit.code? code "credentials"
function nats.jwt.format_creds(jwt, seed) end
