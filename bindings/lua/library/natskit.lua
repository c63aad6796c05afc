---@meta natskit
--- Annotations (LuaCATS) of the Lua module `natskit`, for editors and checkers. Never loaded at run time.
---
--- Failures that a program has to expect are `nil, message, code`; wrong arguments raise. Times are seconds.

---@alias natskit.code string lower-case name of a status: "timeout", "closed", "no_responders", ...
---@alias natskit.headers table<string, string|string[]>|{ [1]: string, [2]: string }[]|natskit.Headers name to value(s), pairs in order, or a set
---@alias natskit.match "exact"|"ignore_case"|"canonical" how names of headers are compared; canonical: the name as MIME writes it

---@class natskit
local nats = {}

---@class natskit.Status
---@field number integer number of the status in natskit.h
---@field code natskit.code
---@field class string "ok", "usage", "outcome", "limit", "network", "protocol", "auth", "system" or "jetstream"
---@field text string

---@class natskit.Counters
---@field options integer
---@field headers integer
---@field conns integer
---@field subs integer
---@field ops integer
---@field waitsets integer
---@field jsons integer
---@field contexts integer of JetStream
---@field publishers integer
---@field kvs integer buckets
---@field batches integer atomic batches
---@field ingests integer fast ingests
---@field services integer
---@field object_stores integer
---@field object_writers integer
---@field object_readers integer
---@field msgs integer
---@field allocated_bytes integer
---@field threads integer

--- Options of nats.connect. A duration is given as `x_ms` in milliseconds, or as `x` in seconds.
---@class natskit.ConnectOptions
---@field timeout? number seconds for the whole of connecting (5)
---@field servers? string|string[] servers to try when no url is given
---@field context? string name of a context of the NATS command line, "" the selected one; url and options win over it
---@field name? string name of the connection, shown by the server's monitoring
---@field user? string user name; a user in the url wins
---@field password? string password; one in the url wins
---@field token? string token; one in the url wins
---@field jwt? string user JWT; needs nkey_seed, unless the server takes bearer tokens
---@field nkey_seed? string seed of the nkey that signs the server's nonce
---@field nkey_seed_file? string file that holds that seed; read again at each attempt
---@field creds? string text of a credentials file: a user JWT and its seed
---@field creds_file? string credentials file; read again at each attempt
---@field auth? fun(event: natskit.msg): natskit.Credentials? says who the user is, at each attempt; nil: what is configured
---@field ask_auth? boolean whether events "auth_needed" come; option auth implies it (false)
---@field tls? "auto"|"require"|"off" auto: TLS for tls:// urls, with any certificate, and where the server requires or offers it; require: never without; off: never ("auto")
---@field tls_first? boolean whether TLS begins before the server has said anything; implies tls require (false)
---@field tls_ca_file? string file of certificates (PEM) of the authorities that servers are held to (the system's)
---@field tls_ca_path? string folder of such certificates, with names as openssl rehash gives them
---@field tls_ca? string the certificates themselves
---@field tls_cert_file? string file of the client's certificate and the chain above it (PEM)
---@field tls_cert? string the certificate itself
---@field tls_key_file? string file of the certificate's private key (PEM)
---@field tls_key? string the private key itself
---@field tls_key_password? string password of an encrypted private key
---@field tls_server_name? string name that the server's certificate must be for (the host of its url)
---@field tls_min_version? "1.2"|"1.3" lowest version of TLS ("1.2")
---@field tls_insecure? boolean accepts any certificate, so that anybody in between can read and change everything (false)
---@field ws_headers? string[] with ws:// and wss:// urls: further header lines of the upgrade, each of the form "Name: value"
---@field attempt_timeout? number seconds for one server: resolving, connecting and the handshake (5)
---@field attempt_timeout_ms? integer
---@field reconnect? boolean whether a lost connection is made anew (true)
---@field max_reconnect_attempts? integer failed attempts in a row to one server before it is given up; -1 never (-1)
---@field reconnect_wait? number first wait between two rounds of the servers; doubles with each round (0.25)
---@field reconnect_wait_ms? integer
---@field reconnect_wait_max? number cap of that wait (8)
---@field reconnect_wait_max_ms? integer
---@field reconnect_jitter? number random time added to each wait (0.1)
---@field reconnect_jitter_ms? integer
---@field reconnect_jitter_tls? number the same if the server that was lost is spoken to by TLS (1)
---@field reconnect_jitter_tls_ms? integer
---@field reconnect_delay? fun(event: natskit.msg): number? says how many seconds a pause is; nil: the default, event.delay
---@field answer_timeout? number seconds that auth, reconnect_delay or their answers have before the default is taken (1)
---@field answer_timeout_ms? integer
---@field first_connect? "fail"|"retry"|"background" when no server accepts the first connect: fail tries each once, retry goes on until the deadline, background returns at once and goes on for ever ("fail")
---@field max_auth_failures? integer refusals of the credentials in a row by one server after which the connection is closed; -1 never (-1)
---@field max_outage? number seconds without a connection after which it is closed; math.huge never (math.huge)
---@field max_outage_ms? integer -1 never
---@field ping_interval? number time between two pings of an idle connection (10)
---@field ping_interval_ms? integer
---@field max_pings_out? integer unanswered pings after which the connection is given up (2)
---@field write_stall? number seconds in which the system takes no byte of what is to be sent, after which the connection is given up (10)
---@field write_stall_ms? integer
---@field randomize? boolean whether servers are tried in random order (true)
---@field port? integer port of a server on this host, instead of urls
---@field resolve? boolean whether all addresses of a name are tried; otherwise its first one alone (true)
---@field move_on_lame_duck? boolean whether the connection goes to another server when its own will leave (true)
---@field use_discovered? boolean whether servers that the cluster tells of are tried, too (true)
---@field inbox_prefix? string first tokens of the subjects that replies are sent to ("_INBOX")
---@field no_echo? boolean whether the server keeps this connection's own messages from its subscriptions (false)
---@field verbose? boolean whether the server confirms each line with +OK (false)
---@field pedantic? boolean whether the server checks subjects more strictly (false)
---@field trace_lines? integer lines of the protocol that are kept for trace() (0)
---@field outbox_bytes? integer room for what is published and not yet sent (1048576)
---@field reconnect_buffer_bytes? integer the same while there is no connection; 0: nothing is accepted then (8388608)
---@field outbox_full? "wait"|"fail" what a publish does when there is no room: wait until its deadline, or fail at once ("wait")

--- Options of nats.jwt.issue_user.
---@class natskit.IssueUserOptions
---@field account? string public key of the user's account, when a signing key of it issues
---@field name? string name of the user (its public key)
---@field valid? number seconds after which the JWT expires; math.huge never (math.huge)
---@field valid_ms? integer -1 never
---@field tags? string|string[] tags of the user, which templates of a scope may use
---@field scoped? boolean whether the signing key has a scope, which sets permissions and limits (true)

---@class natskit.SubscribeOptions
---@field queue? string name of a queue group: each message goes to one of its members
---@field handler? fun(msg: natskit.msg, sub: natskit.sub) gets the messages, inside nats.dispatch or in a task of the scheduler
---@field on_error? fun(err: any, sub: natskit.sub) gets errors of the handler
---@field max_msgs? integer messages after which the subscription ends by itself; 0 never (0)
---@field first_msg_timeout? number seconds for the first message, after which the subscription ends; math.huge no limit (math.huge)
---@field first_msg_timeout_ms? integer -1 no limit
---@field pending_msgs_limit? integer messages that may wait in the queue (524288)
---@field pending_bytes_limit? integer memory that messages in the queue may take (134217728)

---@class natskit.EventOptions
---@field pending_msgs_limit? integer events that may wait; further ones are dropped and counted (1024)
---@field debug? boolean whether each ping is an event, too (false)
---@field answers? boolean whether this subscription gets the events that nc:answer_delay and nc:answer_auth answer; one of a connection can (false)

--- What a server is to be told, in place of what is configured; what is left out stays as configured.
---@class natskit.Credentials
---@field user? string
---@field password? string
---@field token? string
---@field jwt? string
---@field nkey? string public nkey that belongs to signature
---@field signature? string of the nonce, by whoever keeps the seed: 64 bytes, or their base64
---@field nkey_seed? string seed of the nkey that is to sign the nonce
---@field creds? string text of a credentials file
---@field creds_file? string name of one, which is read in the call

---@class natskit.PublishOptions
---@field reply? string subject to which an answer is to be sent
---@field headers? natskit.headers
---@field timeout? number seconds to wait for room while the outbox is full (5)
---@field trace_destination? string subject to which the servers tell what becomes of the message (server 2.11)
---@field trace_only? boolean trace it and deliver it to nobody (false)

---@class natskit.BatchOptions
---@field timeout? number seconds to wait for room while the outbox is full (5)

---@class natskit.RespondOptions
---@field headers? natskit.headers
---@field timeout? number seconds to wait for room while the outbox is full (5)
---@field trace_destination? string subject to which the servers tell what becomes of the message (server 2.11)
---@field trace_only? boolean trace it and deliver it to nobody (false)

---@class natskit.RepublishOptions
---@field reply? string subject to which an answer is to be sent; "" none (that of the message)
---@field timeout? number seconds to wait for room while the outbox is full (5)

---@class natskit.RequestOptions
---@field headers? natskit.headers
---@field timeout? number seconds to wait for the reply (2)
---@field own_sub? boolean whether the reply comes to a subscription of its own (false)
---@field reply? string subject that the reply is sent to, by a subscription of its own
---@field wait_reconnect? boolean whether it goes on waiting when the connection is lost, instead of failing at once (false)
---@field trace_destination? string subject to which the servers tell what becomes of the message (server 2.11)
---@field trace_only? boolean trace it and deliver it to nobody (false)

---@class natskit.RequestManyOptions
---@field max_wait? number seconds for the whole answer (1)
---@field max_wait_ms? integer
---@field max_msgs? integer messages after which the answer is complete; 0 no limit (0)
---@field stall? number seconds for each further message, after which the answer is complete; math.huge no limit (math.huge)
---@field stall_ms? integer -1 no limit
---@field sentinel? boolean whether a message without data ends the answer; it is not given out (false)
---@field reply? string subject that the answer is sent to
---@field wait_reconnect? boolean whether it goes on when the connection is lost, instead of ending at once (false)
---@field pending_msgs_limit? integer messages that may wait in the queue (524288)
---@field pending_bytes_limit? integer memory that messages in the queue may take (134217728)
---@field headers? natskit.headers
---@field timeout? number seconds to wait for room while the outbox is full (5)
---@field trace_destination? string subject to which the servers tell what becomes of the message (server 2.11)
---@field trace_only? boolean trace it and deliver it to nobody (false)

---@class natskit.Outgoing one message of a batch; subject and data may also be its entries 1 and 2
---@field subject? string
---@field data? string
---@field reply? string
---@field headers? natskit.headers

--- What makes coroutines wait instead of the program. See README.md, "A scheduler of your own".
---@class natskit.Scheduler
---@field wait_fd fun(fd: integer|nil) watch this descriptor, instead of the one before, and call nats.pump() when it is readable; nil: watch none
---@field suspend fun(token: any, seconds: number|nil): boolean suspend the running coroutine; false at once if it is not yours
---@field spawn? fun(fn: function, ...: any) run fn(...) in a new coroutine of the scheduler, for handlers
---@field resume fun(token: any) resume the coroutine that is suspended with this token; ignore a token that is not known

--- Connects and waits until a server has accepted. The url may name several servers, cut at commas.
---@param url? string|string[]|natskit.ConnectOptions url, list of urls, or all in one table of options
---@param options? natskit.ConnectOptions
---@param timeout? number seconds for the whole of connecting (5)
---@return natskit.conn? conn
---@return string? message
---@return natskit.code? code
function nats.connect(url, options, timeout) end

--- Version of the library, and major and minor number of its ABI.
---@return string version
---@return integer major
---@return integer minor
function nats.version() end

--- Live objects of the whole process.
---@return natskit.Counters
function nats.counters() end

--- Describes a status.
---@param status natskit.code|integer
---@return natskit.Status? info
---@return string? message
---@return natskit.code? code
function nats.status(status) end

--- Ends everything of the library in this process, in every Lua state. It can be used again afterwards.
---@param timeout? number seconds (5)
---@return boolean? ok
---@return string? message
---@return natskit.code? code
function nats.shutdown(timeout) end

--- From now on coroutines of the scheduler are suspended while they wait; nil: everything blocks again.
---@param scheduler natskit.Scheduler|nil
---@return boolean? ok
---@return string? message
---@return natskit.code? code
function nats.set_scheduler(scheduler) end

---@class natskit.Json
---@field null lightuserdata stands for null
nats.json = {}

---@alias natskit.JsonValue string|number|boolean|table|lightuserdata

--- What a text stands for. Integers that fit 64 bits with a sign are exact; other numbers are floats.
---@param text string
---@return natskit.JsonValue? value null is nats.json.null
---@return string? message
---@return natskit.code? code "invalid" or "limit"
function nats.json.decode(text) end

--- Compact text of a value. Raises for what JSON cannot hold.
---@param value natskit.JsonValue
---@return string? text
---@return string? message
---@return natskit.code? code
function nats.json.encode(value) end

--- Marks a table, or a new one, as an array, which it then is also when it is empty.
---@generic T: table
---@param t? T
---@return T
function nats.json.array(t) end

--- Marks a table, or a new one, as an object.
---@generic T: table
---@param t? T
---@return T
function nats.json.object(t) end

--- For adapters of schedulers: resumes what can go on. Does not wait.
---@return integer count objects that became ready
function nats.pump() end

--- A set of headers that is kept: made of a table, of another set, or of a received message.
---@param from? natskit.headers|natskit.msg
---@return natskit.Headers? headers
---@return string? message
---@return natskit.code? code "invalid" if the headers of the message may not be sent
function nats.headers(from) end

--- Runs handlers: for `timeout` seconds (0: until nothing is there any more), until `max` messages were handled, or
--- until no subscription with a handler is left. With a scheduler that can spawn it only waits, in a task.
---@param timeout? number seconds; without it, for ever
---@param max? integer
---@return integer? count messages that were handled
---@return string? message
---@return natskit.code? code
function nats.dispatch(timeout, max) end

--- Who gets errors of handlers that have no `on_error`; nil: they are written to stderr.
---@param fn fun(err: any, owner: natskit.sub|natskit.conn)|nil owner: a connection for errors of its option auth
---@return boolean ok
function nats.on_handler_error(fn) end

--- A new unique name of 22 letters and digits.
---@return string? name
---@return string? message
---@return natskit.code? code
function nats.nuid() end

---@class natskit.ConnInfo
---@field state string "connecting", "connected", "reconnecting" or "closed"
---@field reason? natskit.code of the last disconnect or of the close
---@field reason_text? string
---@field epoch integer number of the transport: 1 for the first, one more for each reconnect
---@field client_id integer
---@field max_payload integer
---@field headers boolean
---@field lame_duck boolean
---@field draining boolean
---@field url string without user and password
---@field server_name string
---@field server_id string
---@field version string
---@field client_ip string of this client, as the server sees it
---@field tls boolean whether everything goes through TLS
---@field tls_insecure boolean whether it was not asked whose certificate it is
---@field tls_resumed boolean whether an earlier session was resumed
---@field tls_version? string "TLSv1.3"; nil without TLS
---@field tls_cipher? string name of the cipher suite; nil without TLS

---@class natskit.Health
---@field state "ok"|"degraded"|"starting"|"silent"|"down"|"ended"
---@field works boolean whether it does what it is for, if perhaps not well: "ok" or "degraded"
---@field since_ms? integer how long it has been in this state; nil once the program has closed it
---@field activity_ms? integer time since something came of the server; nil: nothing has
---@field beat_ms? integer time since the last heartbeat, of a connection the last PONG; nil: none has come
---@field reason? natskit.code why it is not "ok"
---@field text string the same in one line

---@class natskit.ConnStats
---@field in_msgs integer
---@field in_bytes integer
---@field out_msgs integer
---@field out_bytes integer
---@field pending_out_bytes integer accepted and not yet taken by the socket
---@field dropped_msgs integer by full queues of subscriptions
---@field orphan_msgs integer for a subscription that was gone
---@field late_replies integer for a request that was gone
---@field unconfirmed integer written before a disconnect and never confirmed
---@field unsent integer still in the outbox when the connection was closed, or too large for the next server
---@field reconnects integer
---@field subs integer
---@field requests integer
---@field abandoned_msgs integer received, and not taken when a drain ran into its deadline

--- A connection. Collecting it closes it at once; so does the end of a <close> variable, after a linger.
---@class natskit.conn
local conn = {}

--- Hands one message over for sending. Waits only while the outbox is full.
---@param subject string
---@param data? string
---@param options? natskit.PublishOptions
---@return boolean? ok
---@return string? message
---@return natskit.code? code
function conn:publish(subject, data, options) end

--- Hands many messages over in one step. On failure the fourth result tells how many were accepted.
---@param list natskit.Outgoing[]
---@param options? natskit.BatchOptions
---@return integer? count
---@return string? message
---@return natskit.code? code
---@return integer? accepted
function conn:publish_batch(list, options) end

--- Acks many messages of JetStream consumers in one step. Stops at the first that cannot be acked; on failure the
--- fourth result tells how many were.
---@param list natskit.msg[]
---@param options? natskit.BatchOptions
---@return integer? count
---@return string? message
---@return natskit.code? code
---@return integer? acked
function conn:ack_batch(list, options) end

--- Subscribes. The subject may hold the wildcards `*` and `>`.
---@param subject string
---@param options? natskit.SubscribeOptions
---@return natskit.sub? sub
---@return string? message
---@return natskit.code? code
function conn:subscribe(subject, options) end

--- Publishes and waits for the first reply.
---@param subject string
---@param data? string
---@param options? natskit.RequestOptions
---@return natskit.msg? reply
---@return string? message
---@return natskit.code? code
function conn:request(subject, data, options) end

--- Publishes and gathers many replies: `for msg in nc:request_many(...) do`. The subscription is its own iterator; why
--- it ended tells its reason().
---@param subject string
---@param data? string
---@param options? natskit.RequestManyOptions
---@return natskit.sub? replies
---@return string? message
---@return natskit.code? code
---@return natskit.sub? closed what `for` closes
function conn:request_many(subject, data, options) end

--- What the server knows of the user: `user`, `account`, `permissions`.
---@param timeout? number seconds (2)
---@return table? context
---@return string? message
---@return natskit.code? code
function conn:context(timeout) end

--- Whether the server's version is at least this one.
---@param major integer
---@param minor integer
---@param patch? integer (0)
---@return boolean? yes
---@return string? message
---@return natskit.code? code
function conn:server_at_least(major, minor, patch) end

--- Waits until the server has processed everything that was published and subscribed before.
---@param timeout? number seconds (5)
---@return boolean? ok
---@return string? message
---@return natskit.code? code
function conn:flush(timeout) end

--- Waits until everything that was published before was handed to the system for sending, through reconnects.
---@param timeout? number seconds (5)
---@return boolean? ok
---@return string? message
---@return natskit.code? code
function conn:written(timeout) end

--- Measures a round trip to the server; what was published before goes first.
---@param timeout? number seconds (5)
---@return number? seconds
---@return string? message
---@return natskit.code? code
function conn:rtt(timeout) end

--- Ends the connection in good order, and waits for it: no more messages are asked for, loops handle what has come,
--- requests get their replies, what was published is sent and confirmed, then the connection is closed.
---@param timeout? number seconds (30)
---@return boolean? ok
---@return string? message
---@return natskit.code? code "timeout": the connection is closed all the same; "draining": it is drained already
function conn:drain(timeout) end

--- Begins a drain and returns at once, for programs that then take what has come; nc:closed() waits for the end.
---@param timeout? number seconds (30)
---@return boolean? ok
---@return string? message
---@return natskit.code? code
function conn:start_drain(timeout) end

--- Waits until the connection has ended: true if the program closed or drained it, else the reason.
---@param timeout? number seconds; without it, for ever
---@return boolean? ok
---@return string? message
---@return natskit.code? code "pending" if it lives on; else why it has ended
function conn:closed(timeout) end

--- Gives up the present transport and connects anew at once; ends a pause. Does not wait.
---@return boolean? ok
---@return string? message
---@return natskit.code? code
function conn:reconnect() end

--- Answers an event "delay_needed": the next servers are tried `delay` after the event.
---@param event natskit.msg
---@param delay number seconds
---@return boolean? ok
---@return string? message
---@return natskit.code? code "not_found" if it was answered already, or it is too late
function conn:answer_delay(event, delay) end

--- Answers an event "auth_needed": this is what the server is told. Raises for what is no table of credentials.
---@param event natskit.msg
---@param credentials? natskit.Credentials nil: what is configured
---@return boolean? ok
---@return string? message
---@return natskit.code? code "not_found": too late; "credentials": a seed or a text is malformed, and the event still open
function conn:answer_auth(event, credentials) end

--- Subscribes to what happens to the connection. The messages are events.
---@param options? natskit.EventOptions
---@return natskit.sub? sub
---@return string? message
---@return natskit.code? code
function conn:events(options) end

--- Sends what was published, waiting for at most `linger`, and ends the connection. Closing twice is harmless.
---@param linger? number seconds (2)
---@return boolean? ok
---@return string? message
---@return natskit.code? code
function conn:close(linger) end

--- State of the connection and what is known of the server.
---@return natskit.ConnInfo? info
---@return string? message
---@return natskit.code? code
function conn:info() end

--- Counters of the connection, over all its transports.
---@return natskit.ConnStats? stats
---@return string? message
---@return natskit.code? code
function conn:stats() end

--- Whether it works, and since when. Never waits; of a closed one the state is "ended".
---@return natskit.Health
function conn:health() end

--- The server's last INFO as JSON text.
---@return string? json
---@return string? message
---@return natskit.code? code
function conn:server_info() end

---@class natskit.Server
---@field url string without user and password
---@field discovered boolean the cluster told of it
---@field failures integer failed attempts in a row
---@field current boolean it is used or tried now

--- The pool of servers.
---@return natskit.Server[]? servers
---@return string? message
---@return natskit.code? code
function conn:servers() end

--- Replaces the servers that the program gave; those that the cluster told of stay. The present connection
--- stays, too, until it is lost or `nc:reconnect` is called. A pause before the next attempt ends.
---@param urls string|string[] a url, several cut at commas, or a list
---@return boolean? ok
---@return string? message
---@return natskit.code? code
function conn:set_servers(urls) end

--- A JetStream context. Sends nothing.
---@param options? natskit.JetStreamOptions
---@return natskit.js? js
---@return string? message
---@return natskit.code? code
function conn:jetstream(options) end

--- A new unique subject for replies.
---@return string? subject
---@return string? message
---@return natskit.code? code
function conn:new_inbox() end

---@class natskit.SubStats
---@field sid integer number on the wire; 0 for events
---@field received integer
---@field taken integer
---@field pending_msgs integer
---@field pending_bytes integer
---@field high_msgs integer
---@field high_bytes integer
---@field dropped_msgs integer newest dropped while the queue was full
---@field dropped_bytes integer
---@field limit_msgs integer
---@field limit_bytes integer
---@field max integer
---@field draining boolean
---@field holds integer loops that run, and 1 while messages that were taken ahead wait; a drain waits for them
---@field handler_errors integer errors of its handler; of nc:discover: answers that are none, which were passed over
---@field reason? natskit.code why it ended: "unsubscribed", "max_reached", "closed", ...; nil while it lives

--- A subscription. Collecting it closes it.
---@class natskit.sub
---@field sid integer number on the wire; 0 for events
---@field subject? string nil for events
---@field queue? string name of the queue group
---@operator call: natskit.msg? of request_many and kv:watch: takes the next message
local sub = {}

--- Takes the next message, waiting for it.
---@param timeout? number seconds; without it, for ever
---@return natskit.msg? msg
---@return string? message
---@return natskit.code? code "timeout", "would_block" (timeout 0), "end", "closed"
function sub:next(timeout) end

--- Waits for a first message, then takes up to `n` that are there.
---@param n integer
---@param timeout? number seconds; without it, for ever
---@return natskit.msg[]? msgs
---@return string? message
---@return natskit.code? code
function sub:next_batch(n, timeout) end

--- `for msg in sub:messages() do`: ends when nothing more can come, or when nothing came for `timeout` seconds.
--- Leaving the loop loses nothing and leaves the subscription open. A drain waits until the loop is left. The fourth
--- value is what `for` closes; who calls the iterator without `for` may close it, or leave that to the collector.
---@param timeout? number seconds
---@return fun(): natskit.msg? iterator
---@return nil
---@return nil
---@return userdata loop
function sub:messages(timeout) end

--- `for subject, data, reply in sub:strings() do`: as messages(), without an object per message: the fastest way.
---@param timeout? number seconds
---@return fun(): string?, string?, string? iterator
---@return nil
---@return nil
---@return userdata loop
function sub:strings(timeout) end

--- Ends the subscription at the server: at once, or after `max` messages in all. What is queued can still be taken.
---@param max? integer
---@return boolean? ok
---@return string? message
---@return natskit.code? code
function sub:unsubscribe(max) end

--- Ends the subscription in good order, and waits until what has come was taken, and loops over it are left.
---@param timeout? number seconds (30)
---@return boolean? ok
---@return string? message
---@return natskit.code? code "timeout": what is queued can still be taken; "draining": it is drained already
function sub:drain(timeout) end

--- Begins that and returns at once: takers get what has come, then the end.
---@param timeout? number seconds (30)
---@return boolean? ok
---@return string? message
---@return natskit.code? code
function sub:start_drain(timeout) end

--- Counters of the subscription, its limits, and why it ended.
---@return natskit.SubStats? stats
---@return string? message
---@return natskit.code? code
function sub:stats() end

--- Whether it works, and the consumer or watch that feeds it. Never waits; of a closed one the state is "ended".
---@return natskit.Health
function sub:health() end

--- Why it ended, also after it was closed; nil while it lives.
---@return natskit.code? code
---@return string? text
function sub:reason() end

--- Ends the subscription and drops what is queued. Closing twice is harmless.
---@return boolean ok
function sub:close() end

--- A message or an event. Fields are made when they are read: keep those in locals that you need twice.
---@class natskit.msg
---@field kind string "message", "event", "status" (of consumer:consume), or "request" (of a service)
---@field endpoint? string name of the endpoint ("request")
---@field group? string the prefixes of its groups, nil if there is none ("request")
---@field endpoint_number? integer as service:endpoint gave it ("request")
---@field subject? string of a message; of an event that concerns a subscription or publish
---@field data string payload (messages)
---@field reply? string subject that an answer goes to (messages)
---@field headers? table<string, string[]> name to values; a new table each time (messages)
---@field header_list? string[][] pairs {name, value} in wire order; a new table each time (messages)
---@field sid integer number of the subscription on the wire
---@field size integer bytes of subject, reply, headers and data (messages)
---@field status? integer of the header block's status line, as 503 (messages); the server's code (statuses)
---@field description? string of the status line (messages)
---@field type? string "connected", "disconnected", "reconnecting", "reconnected", "servers", "lame_duck", "slow_consumer", "async_error", "stale", "closed", "ping", "forced_reconnect", "delay_needed" or "auth_needed" (events); "heartbeats_missed", "consumer_not_found", "stream_not_found", "consumer_deleted", "leadership", "no_responders", "exceeded", "pinned", "unpinned", "resumed", "initial_done", "recreated" or "unknown" (statuses)
---@field server? string url without user and password (events)
---@field text? string the server's or the library's words (events, statuses)
---@field epoch? integer number of the transport (events)
---@field count? integer unanswered pings, size of the pool of servers, or rounds without success (events)
---@field code? natskit.code what went wrong (events)
---@field time? number seconds since 1970 UTC (events)
---@field request? integer number of the request that the event is ("delay_needed", "auth_needed")
---@field nonce? string what the server wants signed ("auth_needed")
---@field delay? number seconds of the pause without an answer ("delay_needed")
---@field pending? integer messages in the full queue ("slow_consumer")
local msg = {}

--- Value of a header; nil if there are fewer than `index`. `match` may be left out: msg:header("Name", 2).
---@param name string
---@param match? natskit.match|integer ("exact")
---@param index? integer counted from 1 (1)
---@return string?
function msg:header(name, match, index) end

--- Last value of a header.
---@param name string
---@param match? natskit.match ("exact")
---@return string?
function msg:header_last(name, match) end

--- All values of a header.
---@param name string
---@param match? natskit.match ("exact")
---@return string[]
function msg:header_values(name, match) end

--- The names of the headers, each once, in wire order.
---@return string[]
function msg:header_keys() end

--- `for name, value in msg:header_pairs() do`, in wire order.
---@return fun(): string?, string?
function msg:header_pairs() end

--- Publishes the message once more, with its headers and data, on the connection that it came from.
---@param subject? string (that of the message)
---@param options? natskit.RepublishOptions
---@return boolean? ok
---@return string? message
---@return natskit.code? code
function msg:republish(subject, options) end

--- Value of a header, names compared without regard to case.
---@param name string
---@param index? integer counted from 1 (1)
---@return string?
function msg:header_ignore_case(name, index) end

--- What the payload stands for as JSON; see nats.json.decode. Raises for an event.
---@return natskit.JsonValue? value
---@return string? message
---@return natskit.code? code
function msg:json() end

--- Publishes to the reply subject, on the connection that the message came from.
---@param data? string
---@param options? natskit.RespondOptions
---@return boolean? ok
---@return string? message
---@return natskit.code? code "no_reply" if the message asks for none
function msg:respond(data, options) end

--- What the server tells of a message that a JetStream consumer delivered.
---@class natskit.Delivery
---@field stream string
---@field consumer string
---@field domain? string JetStream domain
---@field account? string hash of the account
---@field delivered integer how often, this time included
---@field stream_seq integer
---@field consumer_seq integer
---@field pending integer messages that the consumer has still to deliver
---@field time number when the stream stored it: seconds since 1970 UTC
---@field time_ns integer the same in nanoseconds
---@field redelivered boolean it was delivered before
---@field acked boolean a final ack was sent, or a confirmed one is confirmed

--- What the server tells of its delivery by a JetStream consumer.
---@return natskit.Delivery? delivery
---@return string? message
---@return natskit.code? code "not_js_message"
function msg:delivery() end

--- Acks the message of a JetStream consumer: it was processed. A message takes one final ack (ack, nak, term,
--- ack_sync); without room in the outbox it waits up to 5 seconds.
---@return boolean? ok
---@return string? message
---@return natskit.code? code "already_acked", "not_js_message", ...
function msg:ack() end

--- Asks for the message to be delivered once more.
---@param delay? number seconds until then (0)
---@return boolean? ok
---@return string? message
---@return natskit.code? code
function msg:nak(delay) end

--- Tells that the message is still being processed; may be repeated.
---@return boolean? ok
---@return string? message
---@return natskit.code? code
function msg:in_progress() end

--- Tells that the message is never to be delivered again, although it was not processed.
---@param reason? string one line, for the server's advisory
---@return boolean? ok
---@return string? message
---@return natskit.code? code
function msg:term(reason) end

--- Acks, and waits until the server has confirmed it. After a failure the message can be acked again.
---@param timeout? number seconds (2)
---@return boolean? ok
---@return string? message
---@return natskit.code? code
function msg:ack_sync(timeout) end

--- Gives the memory of the message back at once instead of when it is collected.
---@return boolean ok
function msg:close() end

--- A set of headers to be sent as often as wanted. `#h` counts them, `==` compares them, `pairs(h)` is h:pairs().
---@class natskit.Headers
local headers = {}

--- First value of a header.
---@param name string
---@param match? natskit.match ("exact")
---@return string?
function headers:get(name, match) end

--- Last value of a header.
---@param name string
---@param match? natskit.match ("exact")
---@return string?
function headers:last(name, match) end

--- All values of a header.
---@param name string
---@param match? natskit.match ("exact")
---@return string[]
function headers:values(name, match) end

--- Whether there is a header of this name.
---@param name string
---@param match? natskit.match ("exact")
---@return boolean
function headers:has(name, match) end

--- The names, each once, in order.
---@return string[]
function headers:keys() end

--- `for name, value in h:pairs() do`, in order.
---@return fun(): string?, string?
function headers:pairs() end

--- Puts one header in place of all that match.
---@param name string
---@param value string|number
---@param match? natskit.match ("exact")
---@return natskit.Headers self
function headers:set(name, value, match) end

--- Adds a header at the end.
---@param name string
---@param value string|number
---@return natskit.Headers self
function headers:append(name, value) end

--- Removes the headers of this name.
---@param name string
---@param match? natskit.match ("exact")
---@return boolean removed whether there was one
function headers:delete(name, match) end

--- Removes all.
---@return natskit.Headers self
function headers:clear() end

--- Frees it at once instead of when it is collected.
---@return boolean ok
function headers:close() end

return nats
