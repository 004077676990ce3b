/**
 * Every limit and timer, each declared once: unit in the name, default, reason.
 * Configuration, documentation and tests read these declarations; a number stands nowhere else.
 */
export interface Limit {
  readonly unit: 'ms' | 'bytes' | 'count' | 'bytes/s'
  readonly default: number
  readonly reason: string
}

const limit = (unit: Limit['unit'], value: number, reason: string): Limit => ({
  unit,
  default: value,
  reason,
})

const KIB = 1024
const MIB = 1024 * KIB

export const LIMITS = {
  // -- XML: what one stanza may be
  stanzaBytes: limit('bytes', 512 * KIB, 'Prosody s2s default; never below 10 000 (RFC 6120 §13.12)'),
  preAuthStanzaBytes: limit('bytes', 10_000, 'RFC 6120 §13.12 floor; Prosody uses it too'),
  stanzaDepth: limit('count', 64, 'no XEP needs more than about 20'),
  preAuthStanzaDepth: limit('count', 8, 'negotiation elements are at most 4 deep'),
  stanzaElements: limit('count', 10_000, 'Prosody allows 25 000'),
  preAuthStanzaElements: limit('count', 32, 'ejabberd 26.04'),
  elementAttributes: limit('count', 128, 'expat CVE-2026-45186: quadratic attribute checks elsewhere'),
  elementNamespaces: limit('count', 32, 'namespace declarations on one element'),
  nameBytes: limit('bytes', 1024, 'a JID part is at most 1023 bytes'),
  bouncedStanzaBytes: limit(
    'bytes',
    8 * KIB,
    'a larger iq is bounced without its payload: errors stay small',
  ),

  // -- streams: how long each step may take
  connectMs: limit('ms', 10_000, 'TCP, TLS and upgrade of one candidate'),
  attemptMs: limit('ms', 60_000, 'all candidates of one dial'),
  openMs: limit('ms', 5_000, 'upgrade to <open/>'),
  negotiationMs: limit('ms', 30_000, '<open/> to authenticated; not extended by traffic'),
  closeMs: limit('ms', 5_000, 'our <close/> to the peer’s (Prosody: 5 s)'),
  pingIntervalMs: limit('ms', 25_000, 'below the 55 s of the strictest known HTTPS proxy, twice'),
  pingJitterMs: limit('ms', 5_000, 'spreads pings of many streams'),
  deadMs: limit('ms', 60_000, 'no byte at all for this long: the transport is dead'),
  messageMs: limit('ms', 30_000, 'first to last byte of one message: no dribbling'),
  saslAttempts: limit('count', 3, 'then policy-violation (RFC 6120 §6.4.5 allows 2 to 5)'),
  dialbackPending: limit('count', 16, 'dialback keys of one stream that are being asked about (DB-23)'),
  dialbackPairs: limit(
    'count',
    50,
    'pairs that one stream may prove; keys that are asked about count, and those that have proven nothing (DB-23)',
  ),
  dialbackMs: limit('ms', 60_000, 'a key is shown to its answer: the peer calls back meanwhile (WS-56)'),
  dialbackPerAddress: limit('count', 64, 'keys that one address has us ask about at a time (DB-23)'),
  dialbackTotal: limit(
    'count',
    256,
    'keys that we ask about at a time: each is a connection to whom a stranger names',
  ),
  dialbackCandidates: limit(
    'count',
    4,
    'endpoints that are called about one key: a stranger names the domain, and its host-meta up to sixteen',
  ),
  dialbackAddresses: limit('count', 2, 'addresses of each of those that are called: one of each family'),
  dialbackKeyBytes: limit('bytes', 1_024, 'of a peer, kept while it is asked about; the usual ones have 64'),
  pairStreams: limit('count', 8, 'inbound streams of one pair: two gateways and reconnects are normal'),

  // -- buffers
  sendHighWaterBytes: limit('bytes', 256 * KIB, 'above it the source is slowed'),
  sendMaxBytes: limit('bytes', MIB, 'above it for send_max the stream ends'),
  sendMaxMs: limit('ms', 60_000, 'a reader that takes nothing for this long is gone'),
  confirmMs: limit(
    'ms',
    200,
    'from a stanza to the ping that asks whether it was read; at most 5 a second, a quarter of pings_per_second',
  ),
  unconfirmedStanzas: limit(
    'count',
    2_000,
    'remembered of those the peer has not confirmed; with stream management, its window: at 500 a fast stream waited for its peer’s answers a sixth of the time (npm run bench -- relay --sm)',
  ),
  unconfirmedBytes: limit('bytes', 4 * MIB, 'the same in bytes'),
  requestStanzas: limit(
    'count',
    100,
    'to the next question, on wires without pings, what has arrived: twenty in a full window',
  ),
  ackStanzas: limit(
    'count',
    50,
    'stream management: taken from a peer, and it is told unasked: forty times in a full window',
  ),
  ackMs: limit('ms', 5_000, 'stream management: the same by time'),
  enableMs: limit(
    'ms',
    5_000,
    'from our question for stream management, or for a resumption, to its answer; then the stream goes on without',
  ),
  manageMs: limit(
    'ms',
    1_000,
    'from a stream of a peer that goes both ways to the first stanza of ours on it, where the peer might ask for stream management and does not',
  ),
  resumeMs: limit(
    'ms',
    300_000,
    'stream management: after its loss a stream can be resumed for this long (ejabberd: 300 s)',
  ),
  inboundBytesPerSecond: limit(
    'bytes/s',
    MIB,
    'sustained, per authenticated stream; reading pauses, nothing is dropped',
  ),
  inboundBurstBytes: limit('bytes', 4 * MIB, 'a MUC join or a roster of presences at once'),

  // -- queue of a pair that has no stream yet
  queueStanzas: limit('count', 1_000, 'a busy minute of one domain; more is bounced at once'),
  queueBytes: limit('bytes', 4 * MIB, 'the same in bytes; eight stanzas of the largest size'),
  queueAgeMs: limit('ms', 60_000, 'then bounced: a user waits no longer'),
  retryMinMs: limit('ms', 1_000, 'full jitter from here'),
  retryMaxMs: limit('ms', 300_000, 'to here (ejabberd: 300 s)'),
  goodLifeMs: limit('ms', 60_000, 'a stream that lived this long earns an immediate first retry'),
  queueSlowStanzas: limit(
    'count',
    500,
    'half of queue_stanzas: the source is slowed before anything is bounced',
  ),
  queueTotalBytes: limit('bytes', 64 * MIB, 'all queues together: sixteen full ones'),
  peerAbsentMs: limit(
    'ms',
    30_000,
    'what is for a peer that had a stream waits for so long after its loss, whatever dials say: restarts and deploys take less',
  ),
  legRetryMinMs: limit('ms', 100, 'the same towards a server of ours, on this machine: a dial costs nothing'),
  legRetryMaxMs: limit('ms', 1_000, 'to here: all pairs are back within 2 s of a restarted server'),
  legEnableMs: limit(
    'ms',
    500,
    'the same towards a server of ours as enable_ms: one that does not know the question, like ejabberd, leaves it without an answer',
  ),
  legAbsentMs: limit(
    'ms',
    30_000,
    'a server of ours that is away for no longer is being restarted: stanzas wait for it',
  ),
  legVerifications: limit('count', 64, 'connections at once by which a server of ours is asked about keys'),
  legVerificationsWaiting: limit(
    'count',
    1_000,
    'keys that wait for one of those; more are told resource-constraint: a restarted server shows hundreds at once',
  ),
  retryAfterMaxMs: limit('ms', 3_600_000, 'a longer Retry-After is not waited for'),
  redirects: limit('count', 5, 'see-other-uri of one dial'),
  outboundIdleMs: limit('ms', 900_000, 'an unused outgoing stream is closed in order'),
  maxStreamAgeMs: limit(
    'ms',
    0,
    'none; below the longest request of the platform: at 64 to 80 % of it the next stream is opened, then this one closed; at 100 % one that a peer has opened',
  ),
  handoverMs: limit(
    'ms',
    20_000,
    'from one stream to the next: how long the old one may take to confirm; a third of queue_age, so that nothing is bounced',
  ),
  keepUpMs: limit(
    'ms',
    86_400_000,
    'a peer that only our own streams reach is dialled for a day after the last',
  ),
  advertisedIdleMs: limit('ms', 900_000, 'idle-seconds of XEP-0478: we ping before we close'),
  drainStaggerMs: limit('ms', 500, 'the ends of all streams are spread over this when we stop'),
  pingAnswerMs: limit('ms', 20_000, 'check: from the ping to its answer; the peer has to dial us first'),

  // -- who may connect
  connections: limit(
    'count',
    10_000,
    'all inbound; the gateway takes fewer where its process may open too few files',
  ),
  unauthenticatedPerAddress: limit(
    'count',
    50,
    'per IPv4 address or IPv6 /64; authenticated ones do not count',
  ),
  unauthenticatedTotal: limit('count', 1_000, 'oldest first out'),
  newPerSecondPerAddress: limit('count', 20, 'sustained; Openfire’s figure'),
  newBurstPerAddress: limit('count', 50, 'Openfire’s figure'),
  trackedAddresses: limit('count', 10_000, 'addresses whose rate is remembered; the longest silent goes'),
  pingsPerSecond: limit('count', 20, 'WebSocket pings received; more is a flood'),
  bufferedChunks: limit(
    'count',
    1_024,
    'pieces in which one WebSocket frame may arrive: 512 KiB in the smallest usual TCP segments',
  ),
  upgradeResponseBytes: limit('bytes', 16 * KIB, 'head of the answer to our WebSocket upgrade'),
  fragments: limit('count', 64, 'WebSocket fragments a message; Prosody-based peers allow 8 or none'),

  // -- hosts
  hostRequests: limit('count', 1_000, 'iq requests of one embedded host that wait for their answer'),
  hostRequestMs: limit('ms', 30_000, 'a request without an answer fails'),
  echoSenders: limit('count', 1_000, 'senders whose last message the echo remembers, least recent forgotten'),
  echoRepeats: limit('count', 100, 'equal messages in a row: another robot, not answered further'),

  // -- HTTP front
  httpHeaderBytes: limit('bytes', 8 * KIB, 'request head'),
  httpForwardedHeaderBytes: limit(
    'bytes',
    32 * KIB,
    'the same where a proxy hands on the certificates of clients',
  ),
  httpHeaderFields: limit('count', 64, 'request header fields'),
  httpIdleMs: limit('ms', 5_000, 'a connection without a further request'),
  httpBehindProxyIdleMs: limit(
    'ms',
    620_000,
    'the same behind a proxy that ends TLS: longer than any keeps its own, or requests meet a connection that ends (AWS: 60 s, Google: 600 s)',
  ),
  httpCheckMs: limit('ms', 1_000, 'how often the deadlines of requests are looked at; Node: 30 s'),
  httpRetryAfterMs: limit('ms', 10_000, 'what we ask of those whom we turn away for now (Retry-After)'),
  httpStoppingRetryMs: limit(
    'ms',
    1_000,
    'the same while we stop: whoever is started in our place is there in a moment',
  ),
  httpBacklog: limit('count', 511, 'connections that the kernel holds for us'),
  httpHeadersMs: limit('ms', 5_000, 'to the end of the request head'),
  httpBodyMs: limit('ms', 10_000, 'routes that take no body read none'),
  tlsHandshakeMs: limit('ms', 10_000, 'Node’s default is 120 s'),
  proxiedPerAddress: limit(
    'count',
    500,
    'requests and WebSockets on proxied paths: users behind one address have no proof to show us',
  ),
  proxiedTotal: limit('count', 5_000, 'the same, all together: half of connections, so that peers find room'),
  proxyConnectMs: limit('ms', 5_000, 'the server behind a proxied path is near'),
  proxyHeadersMs: limit(
    'ms',
    180_000,
    'whole request to the head of its answer: BOSH holds one for up to 120 s (Prosody)',
  ),
  proxyIdleMs: limit('ms', 60_000, 'a proxied body that does not move, either way; nginx’s figure'),
  proxyTunnelIdleMs: limit(
    'ms',
    900_000,
    'no byte either way of a proxied WebSocket; above the 14 min after which Prosody asks',
  ),
  proxyKeepAliveMs: limit('ms', 60_000, 'TCP probes of a silent WebSocket: who vanished is found out'),
  proxyHeaderBytes: limit('bytes', 64 * KIB, 'head of a proxied answer; Node: 16 KiB'),
  drainMs: limit('ms', 8_000, 'Cloud Run gives 10 s'),

  // -- discovery
  hostMetaBytes: limit('bytes', 64 * KIB, 'Synapse CVE-2021-21274'),
  hostMetaMs: limit('ms', 5_000, 'whole fetch, redirects included'),
  hostMetaRedirects: limit('count', 3, 'https only, each hop verified and vetted'),
  hostMetaLinks: limit('count', 16, 'links kept of one document'),
  hostMetaHeaderBytes: limit('bytes', 16 * KIB, 'response head'),
  hostMetaPins: limit('count', 16, 'keys kept of one document'),
  ttlMinMs: limit('ms', 60_000, 'clamp'),
  ttlMaxMs: limit('ms', 86_400_000, 'clamp: one day; also how long a stale answer may serve'),
  ttlDefaultMs: limit('ms', 3_600_000, 'XEP-0487 ttl missing or unreadable'),
  publishedTtlMs: limit('ms', 3_600_000, 'what we publish; xmpp-proxy drops documents above 65 535 s'),
  publishedTtlResolvedMs: limit('ms', 300_000, 'the same where the addresses were looked up: they may move'),
  negativeCacheMs: limit('ms', 300_000, 'after “nothing found”, give or take a fifth'),
  failureCacheMs: limit('ms', 10_000, 'after a failure that may pass: floods do not get through, retries do'),
  discoveryCacheEntries: limit('count', 10_000, 'least recently used goes'),
  discoveriesInFlight: limit('count', 64, 'all domains together'),
  discoveriesWaiting: limit('count', 1_000, 'domains that wait for one of those; more are refused'),
  dnsMs: limit('ms', 5_000, 'one look-up'),
  dnsFamilyMs: limit('ms', 250, 'one family has answered: how long the other is waited for (RFC 8305 §3)'),
  dnsTries: limit('count', 2, 'a lost datagram is not a missing name'),
  addressesPerName: limit('count', 8, 'tried of one host'),
  staggerMs: limit('ms', 250, 'RFC 8305 connection attempt delay'),

  // -- identity
  chainCertificates: limit('count', 10, 'presented'),
  chainBytes: limit('bytes', 64 * KIB, 'presented; larger fails closed'),
  pathSignatureChecks: limit('count', 200, 'bounds hostile path building'),
  nameConstraintChecks: limit('count', 250_000, 'names times subtrees of one path; Go’s figure'),
  rememberedAuthorities: limit('count', 100, 'intermediates of proven paths: the network uses a few dozen'),
  legAuthorityMs: limit('ms', 315_360_000_000, 'our own authority towards a local server: ten years'),
  legCertificateMs: limit('ms', 604_800_000, 'what it certifies: a week, as there is no revocation'),
  legRenewMs: limit('ms', 172_800_000, 'two days of that left: a new one'),
  legBackdateMs: limit('ms', 3_600_000, 'a local server’s clock may be this far behind ours'),
  legCertificates: limit(
    'count',
    1_000,
    'remote domains whose certificate is kept, 40 KiB each; least recently used goes',
  ),

  // -- steering: the DNS responder for a local server
  steeringTtlMs: limit('ms', 60_000, 'of our answers: a server asks again this long after something changed'),
  steeringDecisionMs: limit('ms', 3_000, 'then the question is forwarded; resolvers give up after 5 to 10 s'),
  steeringQueries: limit(
    'count',
    256,
    'that wait for a decision, and as many for an upstream: a socket each',
  ),
  steeringQueryBytes: limit('bytes', 4 * KIB, 'a question with every usual option fits in 512'),
  steeringForwardMs: limit('ms', 5_000, 'all upstreams together, then SERVFAIL'),
  steeringStaggerMs: limit(
    'ms',
    1_000,
    'an upstream is silent for this long: the next one is asked beside it',
  ),
  steeringConnections: limit('count', 64, 'over TCP; a local server needs a few'),
  steeringPipelined: limit('count', 16, 'questions of one connection whose answers have not left'),
  steeringIdleMs: limit(
    'ms',
    10_000,
    'a connection without a whole question (RFC 7766 §6.2.3: a few seconds)',
  ),
  steeringReportMs: limit('ms', 60_000, 'between two reports of one trouble: it comes with each question'),

  // -- gateway
  logLinesPerSecond: limit('count', 20, 'per address, then a summary (Openfire OF-3186)'),
  logAddresses: limit('count', 10_000, 'addresses whose lines are counted; the oldest goes'),
  logTextCharacters: limit('count', 128, 'of a peer’s text in a log line'),
  certificateSettleMs: limit('ms', 500, 'certificate and key are seldom written in one instant'),
  certificatePollMs: limit('ms', 60_000, 'for file systems that tell of no change'),
  checkMs: limit('ms', 90_000, 'one walk of `isthmus check`, the way back included'),
  adminRequestBytes: limit('bytes', 4 * KIB, 'one line on the admin socket'),
  adminRequestMs: limit('ms', 5_000, 'to the end of that line'),
} as const satisfies Record<string, Limit>

export type LimitName = keyof typeof LIMITS
export type Limits = { readonly [K in LimitName]: number }

/** All defaults, as plain numbers. */
export const defaultLimits: Limits = Object.freeze(
  Object.fromEntries(Object.entries(LIMITS).map(([name, declaration]) => [name, declaration.default])),
) as Limits
