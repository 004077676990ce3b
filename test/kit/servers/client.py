"""A real XMPP client (slixmpp), or an XEP-0114 component, on a string: commands come as JSON lines on standard input,
answers and what the network says go as JSON lines to standard output. It ends when its standard input does.
"""

import asyncio
import base64
import json
import logging
import sys

import slixmpp
from slixmpp.exceptions import IqError, IqTimeout
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import StanzaPath

PLUGINS = ("xep_0030", "xep_0054", "xep_0199", "xep_0203")
MUC = "http://jabber.org/protocol/muc"
MUC_USER = "{http://jabber.org/protocol/muc#user}"
# Of one burst, how many may be queued before others get a turn.
TURN = 20


def say(what):
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def attributes(stanza):
    """What every stanza has."""
    said = {name: stanza.xml.get(name, "") for name in ("from", "to", "id", "type")}
    if said["type"] == "error":
        said["error"] = error_of(stanza)
    return said


def error_of(stanza):
    error = stanza["error"]
    return {
        "type": error["type"],
        "condition": error["condition"],
        "text": error["text"],
        "from": stanza.xml.get("from", ""),
    }


class Person:
    """One account or component, at most one connection at a time."""

    def __init__(self):
        self.xmpp = None
        self.is_component = False

    # Connecting

    async def login(self, jid, password, host, port, ca=None):
        self.is_component = False
        self.xmpp = slixmpp.ClientXMPP(jid, password)
        # With an authority to trust it insists on TLS, without one it does without.
        self.xmpp["feature_mechanisms"].unencrypted_plain = ca is None
        self.xmpp.ca_certs = ca
        tls = {"force_starttls": ca is not None, "disable_starttls": ca is None}
        self.prepare()
        await self.connected(lambda: self.xmpp.connect((host, port), **tls))
        roster = self.xmpp.Iq()
        roster["type"] = "get"
        roster.enable("roster")
        await roster.send()
        self.xmpp.send_presence()
        return self.xmpp.boundjid.full

    async def component(self, jid, secret, host, port):
        self.is_component = True
        self.xmpp = slixmpp.ComponentXMPP(jid, secret, host, port)
        self.prepare()
        await self.connected(self.xmpp.connect)
        return jid

    def prepare(self):
        for plugin in PLUGINS:
            self.xmpp.register_plugin(plugin)
        # Subscriptions are answered by who commands us.
        self.xmpp.roster.auto_authorize = None
        self.xmpp.roster.auto_subscribe = False
        self.xmpp.register_handler(Callback("each message", StanzaPath("message"), self.on_message))
        self.xmpp.register_handler(Callback("each presence", StanzaPath("presence"), self.on_presence))
        self.xmpp.add_event_handler("disconnected", lambda _: say({"event": "disconnected"}))

    async def connected(self, connect):
        loop = asyncio.get_running_loop()
        session = loop.create_future()

        def end(error):
            if not session.done():
                session.set_exception(RuntimeError(error))

        self.xmpp.add_event_handler("session_start", lambda _: session.done() or session.set_result(None))
        self.xmpp.add_event_handler("failed_all_auth", lambda _: end("not authenticated"))
        self.xmpp.add_event_handler("connection_failed", lambda why: end(f"not connected: {why}"))
        self.xmpp.add_event_handler("stream_error", lambda error: end(f"stream error: {error['condition']}"))
        self.xmpp.add_event_handler("disconnected", lambda why: end(f"disconnected: {why}"))
        connect()
        try:
            await session
        except BaseException:
            # Else slixmpp tries again for ever.
            self.xmpp.cancel_connection_attempt()
            raise

    async def logout(self):
        if self.xmpp is not None:
            await self.xmpp.disconnect(wait=2)

    # What comes

    def on_message(self, message):
        said = {"event": "message", **attributes(message), "body": message["body"]}
        said["delayed"] = message.xml.find("{urn:xmpp:delay}delay") is not None
        say(said)

    def on_presence(self, presence):
        said = {"event": "presence", **attributes(presence)}
        said["show"] = presence.xml.findtext(f"{{{presence.namespace}}}show", "")
        said["status"] = presence["status"]
        codes = presence.xml.findall(f"{MUC_USER}x/{MUC_USER}status")
        said["codes"] = [int(code.get("code", 0)) for code in codes]
        say(said)

    # What goes

    def ours(self, sender):
        """The sender to write: a component must name one."""
        return sender or (self.xmpp.boundjid.bare if self.is_component else None)

    async def message(self, to, body, type="chat", id=None, sender=None):
        message = self.xmpp.make_message(mto=to, mbody=body, mtype=type, mfrom=self.ours(sender))
        message["id"] = id or self.xmpp.new_id()
        message.send()
        return message["id"]

    async def burst(self, to, count, label, perSecond=None, first=1, type="chat", sender=None):
        loop = asyncio.get_running_loop()
        begin = loop.time()
        for number in range(first, first + count):
            await self.message(to, f"{label} {number}", type, f"{label}-{number}", sender)
            if perSecond is not None:
                await asyncio.sleep(max(0, begin + (number - first + 1) / perSecond - loop.time()))
            elif number % TURN == 0:
                await asyncio.sleep(0)

    async def presence(self, to=None, type=None, show=None, status=None, sender=None):
        if self.is_component and type == "subscribed":
            # slixmpp keeps the roster of a component; not knowing of this, it would take it back at the next probe.
            self.xmpp.roster[self.ours(sender)][to]["from"] = True
        self.xmpp.send_presence(
            pto=to, ptype=type, pshow=show, pstatus=status, pfrom=self.ours(sender)
        )

    async def join(self, room, nick):
        presence = self.xmpp.make_presence(pto=f"{room}/{nick}")
        presence.append(slixmpp.xmlstream.ET.Element(f"{{{MUC}}}x"))
        presence.send()

    async def open_room(self, room):
        """Accept the default configuration of a room that we have just made."""
        iq = self.xmpp.make_iq_set(ito=room)
        query = slixmpp.xmlstream.ET.Element(f"{{{MUC}#owner}}query")
        slixmpp.xmlstream.ET.SubElement(query, "{jabber:x:data}x", type="submit")
        iq.append(query)
        await iq.send()

    async def raw(self, xml):
        self.xmpp.send_raw(xml)

    # Questions

    async def roster(self):
        iq = self.xmpp.Iq()
        iq["type"] = "get"
        iq.enable("roster")
        answer = await iq.send()
        return {str(jid): item["subscription"] for jid, item in answer["roster"]["items"].items()}

    async def disco_info(self, jid, node=None, sender=None):
        info = (await self.xmpp["xep_0030"].get_info(jid, node, ifrom=self.ours(sender)))["disco_info"]
        identities = [[category, type] for category, type, _, _ in info["identities"]]
        return {"identities": sorted(identities), "features": sorted(info["features"])}

    async def disco_items(self, jid, node=None, sender=None):
        items = await self.xmpp["xep_0030"].get_items(jid, node, ifrom=self.ours(sender))
        return sorted(str(jid) for jid, _, _ in items["disco_items"]["items"])

    async def ping(self, jid, seconds=10, sender=None):
        loop = asyncio.get_running_loop()
        begin = loop.time()
        await self.xmpp["xep_0199"].send_ping(jid, timeout=seconds, ifrom=self.ours(sender))
        return (loop.time() - begin) * 1000

    async def publish_avatar(self, type, data):
        vcard = self.xmpp["xep_0054"].make_vcard()
        vcard["PHOTO"]["TYPE"] = type
        vcard["PHOTO"]["BINVAL"] = base64.b64decode(data)
        await self.xmpp["xep_0054"].publish_vcard(vcard)

    async def avatar(self, jid):
        answer = await self.xmpp["xep_0054"].get_vcard(jid, local=False)
        photo = answer["vcard_temp"]["PHOTO"]
        data = photo["BINVAL"]
        return {"type": photo["TYPE"], "data": base64.b64encode(data).decode() if data else ""}


COMMANDS = {name for name in vars(Person) if not name.startswith(("_", "on_"))} - {
    "prepare",
    "connected",
    "ours",
}


async def answer(person, number, command, values):
    try:
        if command not in COMMANDS:
            raise RuntimeError(f"no command {command}")
        result = await getattr(person, command)(**values)
        say({"answer": number, "result": result})
    except IqError as error:
        say({"answer": number, "error": error_of(error.iq)})
    except IqTimeout:
        say({"answer": number, "failed": f"{command}: no answer in time"})
    except Exception as error:
        say({"answer": number, "failed": f"{command}: {error!r}"})


async def main():
    person = Person()
    lines = asyncio.StreamReader(limit=16 * 1024 * 1024)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), sys.stdin
    )
    running = set()
    while line := await lines.readline():
        asked = json.loads(line)
        task = asyncio.ensure_future(answer(person, asked["number"], asked["command"], asked["values"]))
        running.add(task)
        task.add_done_callback(running.discard)


logging.basicConfig(level=logging.ERROR)
asyncio.run(main())
