-- Prosody for the kits beside this file: the gateway is its only way in and out. Users come over WebSocket and BOSH, other
-- servers over WebSocket, and whoever terminates TLS stands in front of both. ENV_NAME is the environment variable NAME.

local data = ENV_DATA or "/var/lib/prosody"
data_path = data
admin_socket = data .. "/prosody.sock"
-- There are none: TLS ends before Prosody.
certificates = data
log = { info = "*console" }

modules_enabled = {
  "disco", "roster", "saslauth", "blocklist", "bookmarks", "carbons", "dialback", "limits", "pep", "private", "smacks",
  "vcard4", "vcard_legacy", "csi_simple", "ping", "register", "time", "uptime", "version", "admin_shell", "posix",
  "s2s_bidi", "websocket", "bosh",
}

-- Nothing listens but on this machine, and nobody speaks XMPP over TCP but the gateway.
interfaces = { "127.0.0.1" }
c2s_ports = {}
c2s_direct_tls_ports = {}

-- As `isthmus init` writes it for a machine that may use HTTPS only.
s2s_interfaces = { "127.0.0.1" }
s2s_ports = { 5269 }
s2s_direct_tls_ports = {}
s2s_require_encryption = false
s2s_secure_auth = false
-- For users as high: who is held back by mod_limits is not pinged any more (0.12), see read_timeout below.
limits = { c2s = { rate = "10mb/s" }; s2sin = { rate = "10mb/s" } }
unbound = { resolvconf = false; hoststxt = false; options = {
  ["local-zone:"] = ". redirect";
  ["local-data:"] = ". 3600 IN SRV 0 0 15269 127.0.0.1.";
} }
http_interfaces = { "127.0.0.1" }
http_ports = { 5280 }
https_ports = {}
trusted_proxies = { "127.0.0.1" }
http_default_host = ENV_DOMAIN
http_external_url = "https://" .. (ENV_PUBLIC_HOST or ENV_DOMAIN) .. "/"
consider_websocket_secure = true
consider_bosh_secure = true
-- Proxies cut what is silent, the strictest known after 55 s: users' WebSockets are pinged before that, and no request of
-- BOSH is held as long.
network_settings = { read_timeout = 45 }
bosh_max_wait = 30

VirtualHost (ENV_DOMAIN)
Component ("rooms." .. ENV_DOMAIN) "muc"
