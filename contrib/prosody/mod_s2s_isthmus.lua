-- Brings the outgoing server-to-server streams of Prosody (0.12.4 or newer) to an Isthmus gateway. DNS is left alone.
--
--   plugin_paths = { "/usr/local/lib/prosody/modules" }    -- where this file is
--   modules_enabled = { ...; "s2s_isthmus" }               -- in the global section
--   isthmus_gateway = { "127.0.0.1", 15269 }               -- an IP address and a port: [domain.server] listen
--   isthmus_domains = { "montague.example" }               -- only streams to these; without it: all
--
-- Part of Isthmus, MIT licence.

module:set_global();

local manual_resolver = require "net.resolvers.manual";

local gateway = module:get_option_array("isthmus_gateway", { "127.0.0.1", 15269 });
local domains = module:get_option_set("isthmus_domains");

local ip, port = tostring(gateway[1]), tonumber(gateway[2]);
assert(port, "isthmus_gateway needs an address and a port, e.g. { \"127.0.0.1\", 15269 }");
local conn_type = ip:find(":", 1, true) and "tcp6" or "tcp4";

local function to_gateway(event)
	local remote = event.session.to_host;
	if domains and not domains:contains(remote) then return; end
	module:log("debug", "the stream to %s goes to the gateway at %s port %d", remote, ip, port);
	event.resolver = manual_resolver.new({ { conn_type, ip, port, {} } }, "tcp");
end

-- The event is fired at the sending host. Components, such as rooms, do not load global modules, so every host is
-- hooked from here.
local function hook_host(host)
	module:context(host):hook("s2sout-pre-connect", to_gateway, 10);
end

for host in pairs(prosody.hosts) do hook_host(host); end
module:hook("host-activated", hook_host);
