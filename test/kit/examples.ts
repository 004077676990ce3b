// The exchanges of the protocol digest in which the stream machines take part. A line is a message: C is sent by
// capulet.example, S by montague.example, the digit names the socket; other lines say what happens between.

export interface Said {
  readonly by: 'C' | 'S'
  readonly socket: number
  readonly text: string
}

function exchange(lines: string): readonly Said[] {
  const said: Said[] = []
  for (const [, by, socket, text] of lines.matchAll(/^([CS])(\d)> (.*)$/gm)) {
    if ((by === 'C' || by === 'S') && text !== undefined) said.push({ by, socket: Number(socket), text })
  }
  return said
}

/** EX-10: SASL EXTERNAL, message, ping from the other side, orderly close */
export const EXTERNAL = exchange(`
C1> <open xmlns='urn:ietf:params:xml:ns:xmpp-framing-server' xmlns:db='jabber:server:dialback' from='capulet.example' to='montague.example' version='1.0' xml:lang='en'/>
S1> <open xmlns='urn:ietf:params:xml:ns:xmpp-framing-server' xmlns:db='jabber:server:dialback' from='montague.example' to='capulet.example' id='a4c1f0e2b7d84396b5a0c7e91d2f3a68' version='1.0' xml:lang='en'/>
S1> <stream:features xmlns:stream='http://etherx.jabber.org/streams'><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms><dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback><bidi xmlns='urn:xmpp:features:bidi'/><limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>262144</max-bytes><idle-seconds>900</idle-seconds></limits></stream:features>
C1> <auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>Y2FwdWxldC5leGFtcGxl</auth>
S1> <success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>
-- both streams replaced; no <close/>; same socket
C1> <open xmlns='urn:ietf:params:xml:ns:xmpp-framing-server' xmlns:db='jabber:server:dialback' from='capulet.example' to='montague.example' version='1.0' xml:lang='en'/>
S1> <open xmlns='urn:ietf:params:xml:ns:xmpp-framing-server' xmlns:db='jabber:server:dialback' from='montague.example' to='capulet.example' id='b93e5d7a10c64f2f8e6d4b1a0c9f7e53' version='1.0' xml:lang='en'/>
S1> <stream:features xmlns:stream='http://etherx.jabber.org/streams'><sm xmlns='urn:xmpp:sm:3'/><limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>262144</max-bytes><idle-seconds>900</idle-seconds></limits></stream:features>
C1> <message xmlns='jabber:server' from='juliet@capulet.example/balcony' to='romeo@montague.example' id='m1' type='chat' xml:lang='en'><body>Art thou not Romeo?</body></message>
-- montague answers over its own socket 2 (negotiated the same way, roles reversed)
S2> <message xmlns='jabber:server' from='romeo@montague.example/orchard' to='juliet@capulet.example/balcony' id='m2' type='chat' xml:lang='en'><body>Neither, fair saint.</body></message>
C1> <iq xmlns='jabber:server' from='capulet.example' to='montague.example' id='p1' type='get'><ping xmlns='urn:xmpp:ping'/></iq>
S2> <iq xmlns='jabber:server' from='montague.example' to='capulet.example' id='p1' type='result'/>
C1> <close xmlns='urn:ietf:params:xml:ns:xmpp-framing-server'/>
S1> <close xmlns='urn:ietf:params:xml:ns:xmpp-framing-server'/>
-- C: WebSocket close frame 1000; S: close frame 1000; TLS close_notify both ways; TCP closed
`)

/** EX-11: EXTERNAL without initial response, then with `=` */
export const EXTERNAL_CHALLENGED = exchange(`
C1> <auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'/>
S1> <challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>
C1> <response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>=</response>
S1> <success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>
`)

/** EX-12: EXTERNAL refused, dialback on the same socket */
export const EXTERNAL_REFUSED = exchange(`
C1> <auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>Y2FwdWxldC5leGFtcGxl</auth>
S1> <failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>
C1> <db:result xmlns:db='jabber:server:dialback' xmlns='jabber:server' from='capulet.example' to='montague.example'>c1fe4242a76d1ee462c833f10b2a54bb9794f9e97493bccfe02962805eb411d4</db:result>
-- (verification as in EX-20)
S1> <db:result xmlns:db='jabber:server:dialback' xmlns='jabber:server' from='montague.example' to='capulet.example' type='valid'/>
`)

/** EX-50: EXTERNAL, and stanzas both ways */
export const BIDI = exchange(`
S1> <stream:features xmlns:stream='http://etherx.jabber.org/streams'><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms><dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback><bidi xmlns='urn:xmpp:features:bidi'/><limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>262144</max-bytes><idle-seconds>900</idle-seconds></limits></stream:features>
C1> <bidi xmlns='urn:xmpp:bidi'><limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>262144</max-bytes><idle-seconds>900</idle-seconds></limits></bidi>
C1> <auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>Y2FwdWxldC5leGFtcGxl</auth>
S1> <success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>
C1> <open xmlns='urn:ietf:params:xml:ns:xmpp-framing-server' xmlns:db='jabber:server:dialback' from='capulet.example' to='montague.example' version='1.0' xml:lang='en'/>
S1> <open xmlns='urn:ietf:params:xml:ns:xmpp-framing-server' xmlns:db='jabber:server:dialback' from='montague.example' to='capulet.example' id='b93e5d7a10c64f2f8e6d4b1a0c9f7e53' version='1.0' xml:lang='en'/>
S1> <stream:features xmlns:stream='http://etherx.jabber.org/streams'><sm xmlns='urn:xmpp:sm:3'/><limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>262144</max-bytes><idle-seconds>900</idle-seconds></limits></stream:features>
C1> <iq xmlns='jabber:server' from='juliet@capulet.example/balcony' to='montague.example' id='p9' type='get'><ping xmlns='urn:xmpp:ping'/></iq>
S1> <iq xmlns='jabber:server' from='montague.example' to='juliet@capulet.example/balcony' id='p9' type='result'/>
`)

/** EX-20: dialback in both directions, and a second domain on one socket */
export const DIALBACK = exchange(`
-- socket 1: capulet wants to send to montague
C1> <open xmlns='urn:ietf:params:xml:ns:xmpp-framing-server' xmlns:db='jabber:server:dialback' from='capulet.example' to='montague.example' version='1.0' xml:lang='en'/>
S1> <open xmlns='urn:ietf:params:xml:ns:xmpp-framing-server' xmlns:db='jabber:server:dialback' from='montague.example' to='capulet.example' id='a4c1f0e2b7d84396b5a0c7e91d2f3a68' version='1.0' xml:lang='en'/>
S1> <stream:features xmlns:stream='http://etherx.jabber.org/streams'><dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback><bidi xmlns='urn:xmpp:features:bidi'/><sm xmlns='urn:xmpp:sm:3'/><limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>262144</max-bytes><idle-seconds>900</idle-seconds></limits></stream:features>
C1> <db:result xmlns:db='jabber:server:dialback' xmlns='jabber:server' from='capulet.example' to='montague.example'>c1fe4242a76d1ee462c833f10b2a54bb9794f9e97493bccfe02962805eb411d4</db:result>
-- montague discovers capulet.example over HTTPS host-meta and opens socket 2, checking the TLS identity of capulet.example
S2> <open xmlns='urn:ietf:params:xml:ns:xmpp-framing-server' xmlns:db='jabber:server:dialback' from='montague.example' to='capulet.example' version='1.0' xml:lang='en'/>
C2> <open xmlns='urn:ietf:params:xml:ns:xmpp-framing-server' xmlns:db='jabber:server:dialback' from='capulet.example' to='montague.example' id='b93e5d7a10c64f2f8e6d4b1a0c9f7e53' version='1.0' xml:lang='en'/>
C2> <stream:features xmlns:stream='http://etherx.jabber.org/streams'><dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback><bidi xmlns='urn:xmpp:features:bidi'/><sm xmlns='urn:xmpp:sm:3'/><limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>262144</max-bytes><idle-seconds>900</idle-seconds></limits></stream:features>
S2> <db:verify xmlns:db='jabber:server:dialback' xmlns='jabber:server' from='montague.example' to='capulet.example' id='a4c1f0e2b7d84396b5a0c7e91d2f3a68'>c1fe4242a76d1ee462c833f10b2a54bb9794f9e97493bccfe02962805eb411d4</db:verify>
C2> <db:verify xmlns:db='jabber:server:dialback' xmlns='jabber:server' from='capulet.example' to='montague.example' id='a4c1f0e2b7d84396b5a0c7e91d2f3a68' type='valid'/>
S1> <db:result xmlns:db='jabber:server:dialback' xmlns='jabber:server' from='montague.example' to='capulet.example' type='valid'/>
C1> <message xmlns='jabber:server' from='juliet@capulet.example/balcony' to='romeo@montague.example' id='m1' type='chat' xml:lang='en'><body>O Romeo</body></message>
-- reverse direction re-uses socket 2 for the request and socket 1 for the verification
S2> <db:result xmlns:db='jabber:server:dialback' xmlns='jabber:server' from='montague.example' to='capulet.example'>a036e4ca11321b837b29abd0b7a4366cc332e88b9c99c58669142ca0aa092b3c</db:result>
C1> <db:verify xmlns:db='jabber:server:dialback' xmlns='jabber:server' from='capulet.example' to='montague.example' id='b93e5d7a10c64f2f8e6d4b1a0c9f7e53'>a036e4ca11321b837b29abd0b7a4366cc332e88b9c99c58669142ca0aa092b3c</db:verify>
S1> <db:verify xmlns:db='jabber:server:dialback' xmlns='jabber:server' from='montague.example' to='capulet.example' id='b93e5d7a10c64f2f8e6d4b1a0c9f7e53' type='valid'/>
C2> <db:result xmlns:db='jabber:server:dialback' xmlns='jabber:server' from='capulet.example' to='montague.example' type='valid'/>
S2> <message xmlns='jabber:server' from='romeo@montague.example/orchard' to='juliet@capulet.example/balcony' id='m2' type='chat' xml:lang='en'><body>Call me but love</body></message>
-- multiplexing: second sender domain on socket 1
C1> <db:result xmlns:db='jabber:server:dialback' xmlns='jabber:server' from='rooms.capulet.example' to='montague.example'>16382cb94ab828dd6a206551f4839d8f71e607e5f91d714b7d09710ec64c8f5b</db:result>
S2> <db:verify xmlns:db='jabber:server:dialback' xmlns='jabber:server' from='montague.example' to='rooms.capulet.example' id='a4c1f0e2b7d84396b5a0c7e91d2f3a68'>16382cb94ab828dd6a206551f4839d8f71e607e5f91d714b7d09710ec64c8f5b</db:verify>
C2> <db:verify xmlns:db='jabber:server:dialback' xmlns='jabber:server' from='rooms.capulet.example' to='montague.example' id='a4c1f0e2b7d84396b5a0c7e91d2f3a68' type='valid'/>
S1> <db:result xmlns:db='jabber:server:dialback' xmlns='jabber:server' from='montague.example' to='rooms.capulet.example' type='valid'/>
`)

/** EX-21: a socket for one question */
export const VERIFY_ONLY = exchange(`
S3> <open xmlns='urn:ietf:params:xml:ns:xmpp-framing-server' xmlns:db='jabber:server:dialback' from='montague.example' to='capulet.example' version='1.0' xml:lang='en'/>
C3> <open xmlns='urn:ietf:params:xml:ns:xmpp-framing-server' xmlns:db='jabber:server:dialback' from='capulet.example' to='montague.example' id='c0d1e2f3a4b5c6d7e8f9a0b1c2d3e4f5' version='1.0' xml:lang='en'/>
C3> <stream:features xmlns:stream='http://etherx.jabber.org/streams'><dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback><bidi xmlns='urn:xmpp:features:bidi'/><sm xmlns='urn:xmpp:sm:3'/><limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>262144</max-bytes><idle-seconds>900</idle-seconds></limits></stream:features>
S3> <db:verify xmlns:db='jabber:server:dialback' xmlns='jabber:server' from='montague.example' to='capulet.example' id='a4c1f0e2b7d84396b5a0c7e91d2f3a68'>c1fe4242a76d1ee462c833f10b2a54bb9794f9e97493bccfe02962805eb411d4</db:verify>
C3> <db:verify xmlns:db='jabber:server:dialback' xmlns='jabber:server' from='capulet.example' to='montague.example' id='a4c1f0e2b7d84396b5a0c7e91d2f3a68' type='valid'/>
S3> <close xmlns='urn:ietf:params:xml:ns:xmpp-framing-server'/>
C3> <close xmlns='urn:ietf:params:xml:ns:xmpp-framing-server'/>
`)

/** EX-22: what can go wrong, an answer a line */
export const DIALBACK_FAILURES = exchange(`
-- target not hosted
C1> <db:result xmlns:db='jabber:server:dialback' xmlns='jabber:server' from='capulet.example' to='verona.example'>a73b6a53c81a03c84591b2d95180ac336e22564a4e2b67df2ff7c6d2b1aa8460</db:result>
S1> <db:result xmlns:db='jabber:server:dialback' xmlns='jabber:server' from='verona.example' to='capulet.example' type='error'><error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:result>
-- authoritative side does not host the domain asked about
S2> <db:verify xmlns:db='jabber:server:dialback' xmlns='jabber:server' from='montague.example' to='verona.example' id='a4c1f0e2b7d84396b5a0c7e91d2f3a68'>c1fe4242a76d1ee462c833f10b2a54bb9794f9e97493bccfe02962805eb411d4</db:verify>
C2> <db:verify xmlns:db='jabber:server:dialback' xmlns='jabber:server' from='verona.example' to='montague.example' id='a4c1f0e2b7d84396b5a0c7e91d2f3a68' type='error'><error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:verify>
-- call-back could not be made
S1> <db:result xmlns:db='jabber:server:dialback' xmlns='jabber:server' from='montague.example' to='capulet.example' type='error'><error type='cancel'><remote-server-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:result>
S1> <db:result xmlns:db='jabber:server:dialback' xmlns='jabber:server' from='montague.example' to='capulet.example' type='error'><error type='wait'><remote-server-timeout xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:result>
-- wrong key, no other pair valid: invalid and close
C2> <db:verify xmlns:db='jabber:server:dialback' xmlns='jabber:server' from='capulet.example' to='montague.example' id='a4c1f0e2b7d84396b5a0c7e91d2f3a68' type='invalid'/>
S1> <db:result xmlns:db='jabber:server:dialback' xmlns='jabber:server' from='montague.example' to='capulet.example' type='invalid'/>
S1> <close xmlns='urn:ietf:params:xml:ns:xmpp-framing-server'/>
-- wrong key, other pairs valid: keep the stream
S1> <db:result xmlns:db='jabber:server:dialback' xmlns='jabber:server' from='montague.example' to='rooms.capulet.example' type='error'><error type='auth'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:result>
`)

/** EX-60: stream management */
export const MANAGEMENT = exchange(`
C1> <enable xmlns='urn:xmpp:sm:3'/>
S1> <enabled xmlns='urn:xmpp:sm:3'/>
C1> <message xmlns='jabber:server' from='juliet@capulet.example/balcony' to='romeo@montague.example' id='m3'><body>one</body></message>
C1> <r xmlns='urn:xmpp:sm:3'/>
S1> <a xmlns='urn:xmpp:sm:3' h='1'/>
`)

/** EX-30: Stream errors */
export const STREAM_ERRORS = exchange(`
-- unknown host (from is one of ours, or '')
C1> <open xmlns='urn:ietf:params:xml:ns:xmpp-framing-server' xmlns:db='jabber:server:dialback' from='capulet.example' to='nosuch.example' version='1.0' xml:lang='en'/>
S1> <open xmlns='urn:ietf:params:xml:ns:xmpp-framing-server' xmlns:db='jabber:server:dialback' from='montague.example' to='capulet.example' id='c0d1e2f3a4b5c6d7e8f9a0b1c2d3e4f5' version='1.0' xml:lang='en'/>
S1> <stream:error xmlns:stream='http://etherx.jabber.org/streams'><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>
S1> <close xmlns='urn:ietf:params:xml:ns:xmpp-framing-server'/>
C1> <close xmlns='urn:ietf:params:xml:ns:xmpp-framing-server'/>
-- wrong framing namespace
C1> <open xmlns='urn:ietf:params:xml:ns:xmpp-framing' from='capulet.example' to='montague.example' version='1.0'/>
S1> <open xmlns='urn:ietf:params:xml:ns:xmpp-framing-server' xmlns:db='jabber:server:dialback' from='montague.example' to='capulet.example' id='d7a6b5c4d3e2f1a0b9c8d7e6f5a4b3c2' version='1.0' xml:lang='en'/>
S1> <stream:error xmlns:stream='http://etherx.jabber.org/streams'><invalid-namespace xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>
S1> <close xmlns='urn:ietf:params:xml:ns:xmpp-framing-server'/>
-- stanza before authentication
C1> <message xmlns='jabber:server' from='juliet@capulet.example' to='romeo@montague.example'><body>too early</body></message>
S1> <stream:error xmlns:stream='http://etherx.jabber.org/streams'><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>
S1> <close xmlns='urn:ietf:params:xml:ns:xmpp-framing-server'/>
-- from domain not validated / missing to
C1> <message xmlns='jabber:server' from='tybalt@verona.example' to='romeo@montague.example'><body>spoof</body></message>
S1> <stream:error xmlns:stream='http://etherx.jabber.org/streams'><invalid-from xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>
S1> <close xmlns='urn:ietf:params:xml:ns:xmpp-framing-server'/>
C1> <message xmlns='jabber:server' from='juliet@capulet.example'><body>to whom?</body></message>
S1> <stream:error xmlns:stream='http://etherx.jabber.org/streams'><improper-addressing xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>
S1> <close xmlns='urn:ietf:params:xml:ns:xmpp-framing-server'/>
-- comment / oversize / unknown element before authentication
S1> <stream:error xmlns:stream='http://etherx.jabber.org/streams'><restricted-xml xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>
S1> <stream:error xmlns:stream='http://etherx.jabber.org/streams'><policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>stanza too large</text><stanza-too-big xmlns='urn:xmpp:errors'/></stream:error>
S1> <stream:error xmlns:stream='http://etherx.jabber.org/streams'><unsupported-stanza-type xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>
-- sm over-acknowledgement
S1> <stream:error xmlns:stream='http://etherx.jabber.org/streams'><undefined-condition xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><handled-count-too-high xmlns='urn:xmpp:sm:3' h='10' send-count='8'/></stream:error>
`)

/** EX-40: Closing variants */
export const CLOSING = exchange(`
-- redirect as answer to open
S1> <close xmlns='urn:ietf:params:xml:ns:xmpp-framing-server' see-other-uri='wss://node2.montague.example/s2s'/>
C1> <close xmlns='urn:ietf:params:xml:ns:xmpp-framing-server'/>
-- close frames 1000; initiator dials the new URI with the same from/to
-- shutdown
S1> <stream:error xmlns:stream='http://etherx.jabber.org/streams'><system-shutdown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>
S1> <close xmlns='urn:ietf:params:xml:ns:xmpp-framing-server'/>
C1> <close xmlns='urn:ietf:params:xml:ns:xmpp-framing-server'/>
-- S: close frame 1001
-- crossing closes
C1> <close xmlns='urn:ietf:params:xml:ns:xmpp-framing-server'/>
S1> <close xmlns='urn:ietf:params:xml:ns:xmpp-framing-server'/>
-- initiator sends the close frame
-- unclean: TCP reset with no <close/>: both drop the stream, bounce or re-route the queue
`)

/** EX-23: what the known peers really send */
export const PEERS = `
-- xmpp-proxy in front of Prosody: header with mangled db namespace, db elements without db declaration, c2s close
<open xmlns:stream='http://etherx.jabber.org/streams' xmlns:db='urn:ietf:params:xml:ns:xmpp-framing-server:dialback' version='1.0' to='montague.example' from='capulet.example' xml:lang='en' xmlns='urn:ietf:params:xml:ns:xmpp-framing-server'/>
<db:result from='capulet.example' to='montague.example' xmlns='jabber:server'>c1fe4242a76d1ee462c833f10b2a54bb9794f9e97493bccfe02962805eb411d4</db:result>
<close xmlns="urn:ietf:params:xml:ns:xmpp-framing" />
-- livechat (Prosody module): id='' from the initiator, db declared only on open
<open from='capulet.example' to='montague.example' id='' version='1.0' xml:lang='en' xmlns:db='jabber:server:dialback' xmlns='urn:ietf:params:xml:ns:xmpp-framing-server'/>
<db:verify from='capulet.example' to='montague.example' id='a4c1f0e2b7d84396b5a0c7e91d2f3a68' type='valid' xmlns='jabber:server'/>
<stream:features xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'><dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback></stream:features>
`
  .split('\n')
  .filter(line => line.startsWith('<'))
