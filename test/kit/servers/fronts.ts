import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Front, type FrontPlace, PROXY_SECRET } from './house.ts'
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
      writeFileSync(
        join(folder, 'proxy-secret.conf'),
        `proxy_set_header X-Isthmus-Proxy-Secret "${PROXY_SECRET}";\n`,
      )
      const site = placed(kitFile(`nginx/${kit}.conf`), folder, at)
        .replace('listen 443 ssl;', `listen 127.0.0.1:${at.publicPort} ssl;`)
        .replace(/^ *listen \[::\]:443 ssl;\n/m, '')
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
  return {
    toml: kitFile(`haproxy/${kit}.toml`),
    async start(stage, at) {
      const folder = folderOf(stage, 'haproxy', at)
      const file = kit === 'isthmus' ? 'haproxy' : 'haproxy-mutual'
      const config = placed(kitFile(`haproxy/${file}.cfg`), folder, at).replace(
        'bind :443 ssl',
        `bind 127.0.0.1:${at.publicPort} ssl`,
      )
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

function folderOf(stage: Stage, program: string, { domain, certificate }: FrontPlace): string {
  const folder = stage.path(`${program}-${domain}`)
  mkdirSync(folder)
  writeFileSync(join(folder, 'capulet.pem'), certificate.certificatePem)
  for (const [name, text] of [
    ['capulet.key', certificate.keyPem],
    ['capulet.both.pem', certificate.certificatePem + certificate.keyPem],
  ] as const) {
    writeFileSync(join(folder, name), text)
    chmodSync(join(folder, name), 0o600)
  }
  return folder
}

/** Our names, ports and paths in a file of a kit. */
function placed(text: string, folder: string, { domain, port, socket }: FrontPlace): string {
  return text
    .replaceAll('capulet.example', domain)
    .replaceAll('/etc/isthmus/', `${folder}/`)
    .replaceAll('/run/isthmus/front.sock', socket)
    .replaceAll('127.0.0.1:8080', `127.0.0.1:${port}`)
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
