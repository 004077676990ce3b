import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Front, type FrontPlace, PROXY_SECRET } from './house.ts'
import { takePorts } from './ports.ts'
import { Program } from './process.ts'
import type { Stage } from './stage.ts'

// The kits of deploy/ as they stand, in processes of our own: only names, ports and paths are ours.

const kitFile = (name: string) =>
  readFileSync(fileURLToPath(new URL(`../../../deploy/${name}`, import.meta.url)), 'utf8')

/** deploy/nginx. @param change to its configuration, where a scenario is about one */
export function nginx(kit: 'isthmus' | 'isthmus-mutual', change = (conf: string) => conf): Front {
  return {
    toml: kitFile(`nginx/${kit}.toml`),
    async start(stage, at) {
      const folder = folderOf(stage, 'nginx', at)
      const site = replaced(placed(kitFile(`nginx/${kit}.conf`), folder, at), [
        ['listen 443 ssl;', `listen 127.0.0.1:${at.publicPort} ssl;`],
        ['    listen [::]:443 ssl;\n', ''],
      ])
      writeFileSync(join(folder, 'site.conf'), change(site))
      writeFileSync(join(folder, 'nginx.conf'), around(folder))
      await run(stage, {
        name: `nginx of ${at.domain}`,
        program: 'nginx',
        args: ['-p', folder, '-c', 'nginx.conf', '-e', 'error.log'],
        folder,
        ports: [at.publicPort],
        log: join(folder, 'error.log'),
      })
    },
  }
}

/** deploy/haproxy */
export function haproxy(kit: 'isthmus' | 'isthmus-mutual'): Front {
  const isMutual = kit === 'isthmus-mutual'
  return {
    toml: kitFile(`haproxy/${kit}.toml`),
    async start(stage, at) {
      const folder = folderOf(stage, 'haproxy', at)
      const text = placed(kitFile(`haproxy/${isMutual ? 'haproxy-mutual' : 'haproxy'}.cfg`), folder, at)
      const config = replaced(text, [
        ['bind :443,[::]:443 v6only ssl', `bind 127.0.0.1:${at.publicPort} ssl`],
        // The stage's folder is closed to others.
        ['user  haproxy', 'user root'],
        [isMutual ? 'group isthmus' : 'group haproxy', 'group root'],
      ])
      writeFileSync(join(folder, 'haproxy.cfg'), config)
      await run(stage, {
        name: `haproxy of ${at.domain}`,
        program: 'haproxy',
        args: ['-db', '-f', 'haproxy.cfg'],
        folder,
        ports: [at.publicPort],
        log: join(folder, 'out.log'),
      })
    },
  }
}

/** Another in front of it, which ends every connection after so long, in use or not, as platforms end long requests. */
export function cutting(lifeMs: number, front: Front): Front {
  return {
    toml: front.toml,
    async start(stage, at) {
      const [behind = 0] = await takePorts(1)
      await front.start(stage, { ...at, publicPort: behind })
      const open = new Set<Socket>()
      const server = createServer(near => {
        const far = connect(behind, '127.0.0.1')
        const timer = setTimeout(() => near.resetAndDestroy(), lifeMs)
        for (const [socket, other] of [
          [near, far],
          [far, near],
        ] as const) {
          open.add(socket)
          socket.on('error', () => {})
          socket.on('close', () => {
            open.delete(socket)
            clearTimeout(timer)
            other.destroy()
          })
          socket.pipe(other)
        }
      })
      server.listen(at.publicPort, '127.0.0.1')
      await once(server, 'listening')
      stage.closes(async () => {
        server.close()
        for (const socket of open) socket.destroy()
      })
    },
  }
}

function folderOf(stage: Stage, program: string, { domain, certificate }: FrontPlace): string {
  const folder = stage.path(`${program}-${domain}`)
  mkdirSync(folder)
  const { certificatePem, keyPem } = certificate
  for (const [name, text] of [
    ['fullchain.pem', certificatePem],
    ['privkey.pem', keyPem],
    [`${domain}.pem`, certificatePem + keyPem],
    ['isthmus-proxy-secret.conf', `proxy_set_header X-Isthmus-Proxy-Secret "${PROXY_SECRET}";\n`],
  ] as const) {
    writeFileSync(join(folder, name), text, { mode: 0o600 })
  }
  return folder
}

/** Our names, ports and paths in a file of a kit. */
function placed(text: string, folder: string, { domain, port, socket }: FrontPlace): string {
  return text
    .replaceAll(/\/etc\/(letsencrypt\/live\/capulet\.example|nginx|haproxy)\//g, `${folder}/`)
    .replaceAll('capulet.example', domain)
    .replaceAll('/run/isthmus/front.sock', socket)
    .replaceAll('127.0.0.1:8080', `127.0.0.1:${port}`)
}

/** Each stands there once. */
function replaced(text: string, changes: readonly (readonly [was: string, is: string])[]): string {
  return changes.reduce((before, [was, is]) => {
    const [head = '', tail, ...more] = before.split(was)
    if (tail === undefined || more.length > 0) throw new Error(`not once in it: ${was}`)
    return head + is + tail
  }, text)
}

/** What a distribution has around /etc/nginx/conf.d. */
function around(folder: string): string {
  return `
daemon off;
user root;
worker_processes 1;
pid ${folder}/nginx.pid;
events {}
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  include ${folder}/site.conf;
}
`
}

async function run(stage: Stage, options: ConstructorParameters<typeof Program>[0]): Promise<void> {
  const program = new Program(options)
  stage.closes(() => program.stop())
  await program.start()
}
