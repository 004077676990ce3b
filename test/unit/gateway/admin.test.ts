import { chmodSync, lstatSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { defaultLimits } from '../../../src/base/index.ts'
import { type AdminHandlers, type AdminSocket, openAdminSocket } from '../../../src/gateway/admin.ts'
import { askCheck, askStatus } from '../../../src/gateway/admin-client.ts'
import type { WalkReport, WalkStage } from '../../../src/gateway/admin-protocol.ts'
import { type AdminUser, adminSocketPaths, isTrustedSocket } from '../../../src/gateway/admin-socket.ts'

const report: WalkReport = {
  ok: true,
  stages: [{ name: 'ping', ok: true, ms: 3, detail: 'answered' }],
  outcome: 'ok',
  proof: {
    out: { method: 'sasl-external', seen: true, detail: 'it took our certificate' },
    back: { method: null, seen: false, detail: 'it did not come' },
  },
}

let folder: string
let user: AdminUser
const opened: AdminSocket[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isthmus-admin-'))
  user = { uid: process.getuid?.() ?? 0, home: folder, environment: { XDG_RUNTIME_DIR: folder } }
})

afterEach(() => {
  for (const socket of opened.splice(0)) socket.close()
  rmSync(folder, { recursive: true })
})

async function open(handlers: Partial<AdminHandlers> = {}, path = join(folder, 'admin', 'a.sock')) {
  const admin = await openAdminSocket({
    paths: [path],
    user,
    limits: defaultLimits,
    handlers: { status: () => ({ pid: 7 }), check: async () => report, ...handlers },
  })
  if ('path' in admin) opened.push(admin)
  return admin
}

function at(admin: AdminSocket) {
  return { paths: [admin.path], user }
}

function opens(admin: Awaited<ReturnType<typeof open>>): AdminSocket {
  if ('problem' in admin) throw new Error(admin.problem)
  return admin
}

const never = new AbortController().signal

describe('the admin socket', () => {
  it('is closed to others: folder 0700, socket 0600', async () => {
    const admin = opens(await open())
    expect(statSync(join(folder, 'admin')).mode & 0o777).toBe(0o700)
    expect(lstatSync(admin.path).mode & 0o777).toBe(0o600)
  })

  it('is not opened in a folder that others may enter', async () => {
    chmodSync(folder, 0o755)
    expect(await open({}, join(folder, 'a.sock'))).toEqual({
      problem: `${folder} is open to others (chmod 700)`,
    })
  })

  it('is not opened in a folder behind a symbolic link', async () => {
    symlinkSync(tmpdir(), join(folder, 'link'))
    expect(await open({}, join(folder, 'link', 'a.sock'))).toHaveProperty('problem')
  })

  it('never removes a file that is no socket', async () => {
    const path = join(folder, 'notes.txt')
    writeFileSync(path, 'mine')
    expect(await open({}, path)).toEqual({ problem: `${path} is no socket` })
    expect(statSync(path).size).toBe(4)
  })

  it('says that another gateway is there', async () => {
    const admin = opens(await open())
    expect(await open()).toEqual({ problem: `another gateway listens at ${admin.path}` })
  })

  it('answers status', async () => {
    expect(await askStatus(at(opens(await open())), never)).toEqual({ ok: true, value: { pid: 7 } })
  })

  it('tells stages as they happen, then the report', async () => {
    const admin = opens(
      await open({
        check: async ({ remote, local }, { onStage }) => {
          onStage({ name: 'discovery', ok: true, ms: 1, detail: `${local} to ${remote}` })
          return report
        },
      }),
    )
    const stages: WalkStage[] = []
    const walk = { remote: 'montague.example', local: 'capulet.example' }
    const asked = await askCheck(at(admin), walk, { signal: never, onStage: stage => stages.push(stage) })
    expect(asked).toEqual({ ok: true, value: report })
    expect(stages).toEqual([
      { name: 'discovery', ok: true, ms: 1, detail: 'capulet.example to montague.example' },
    ])
  })

  it('walks once at a time', async () => {
    let finish = (_: WalkReport) => {}
    let begun = () => {}
    const walking = new Promise<void>(resolve => {
      begun = resolve
    })
    const admin = opens(
      await open({
        check: () =>
          new Promise(resolve => {
            finish = resolve
            begun()
          }),
      }),
    )
    const walk = { remote: 'montague.example', local: 'capulet.example' }
    const options = { signal: never, onStage: () => {} }
    const first = askCheck(at(admin), walk, options)
    await walking
    expect(await askCheck(at(admin), walk, options)).toEqual({
      ok: false,
      detail: 'another check is under way',
    })
    finish(report)
    expect(await first).toEqual({ ok: true, value: report })
    const third = askCheck(at(admin), walk, options)
    await new Promise<void>(resolve => {
      begun = resolve
    })
    finish(report)
    expect(await third).toEqual({ ok: true, value: report })
  })

  it('gives the walk up when its caller goes', async () => {
    const caller = new AbortController()
    let aborted = () => {}
    const wasAborted = new Promise<void>(resolve => {
      aborted = resolve
    })
    const admin = opens(
      await open({
        check: (_, { signal }) => {
          signal.addEventListener('abort', () => aborted())
          caller.abort()
          return new Promise(() => {})
        },
      }),
    )
    const walk = { remote: 'montague.example', local: 'capulet.example' }
    const asked = await askCheck(at(admin), walk, { signal: caller.signal, onStage: () => {} })
    expect(asked).toEqual({ ok: false, detail: 'given up' })
    await wasAborted
  })

  it('says why a walk failed', async () => {
    const admin = opens(await open({ check: () => Promise.reject(new Error('capulet.example is not ours')) }))
    const walk = { remote: 'montague.example', local: 'capulet.example' }
    const asked = await askCheck(at(admin), walk, { signal: never, onStage: () => {} })
    expect(asked).toEqual({ ok: false, detail: 'capulet.example is not ours' })
  })

  it.each(['nonsense', '{"command":"stop"}', '{"command":"status","more":1}', '[]'])(
    'refuses %j',
    async line => {
      const admin = opens(await open())
      expect(await say(admin.path, `${line}\n`)).toEqual(
        '{"error":{"reason":"bad-request","detail":"not a request"}}\n',
      )
    },
  )

  it('does not read for ever', async () => {
    const admin = opens(await open())
    expect(await say(admin.path, 'x'.repeat(defaultLimits.adminRequestBytes + 1))).toBe('')
  })

  it('is found by the same configuration, and nobody else’s is believed', async () => {
    const [path = ''] = adminSocketPaths({ path: join(folder, 'isthmus.toml'), socket: null }, user).filter(
      one => one.startsWith(folder),
    )
    const admin = opens(await open({}, path))
    expect(isTrustedSocket(admin.path, user)).toBe(true)
    expect(isTrustedSocket(admin.path, { ...user, uid: user.uid + 1 })).toBe(user.uid === 0)
    chmodSync(join(path, '..'), 0o777)
    expect(isTrustedSocket(admin.path, user)).toBe(false)
    expect(await askStatus(at(admin), never)).toBeNull()
  })

  it('nobody there: null', async () => {
    const path = join(folder, 'none.sock')
    expect(await askStatus({ paths: [path], user }, never)).toBeNull()
  })
})

describe('adminSocketPaths', () => {
  const config = { path: '/etc/isthmus.toml', socket: null }

  it('looks in the runtime directories, then the state directory', () => {
    const paths = adminSocketPaths(config, {
      uid: 1000,
      home: '/home/i',
      environment: { RUNTIME_DIRECTORY: '/run/i:/run/j', XDG_RUNTIME_DIR: '/run/user/1000' },
    })
    expect(paths.map(path => path.replace(/[0-9a-f]{16}\.sock$/, '#'))).toEqual([
      '/run/i/admin/#',
      '/run/isthmus/admin/#',
      '/run/user/1000/isthmus/#',
      '/home/i/.local/state/isthmus/#',
    ])
  })

  it('takes no relative directory and no path too long for a socket', () => {
    const environment = { XDG_RUNTIME_DIR: 'relative', XDG_STATE_HOME: `/${'x'.repeat(80)}` }
    expect(adminSocketPaths(config, { uid: 1000, home: '/home/i', environment })).toHaveLength(1)
  })

  it('as configured, or not at all', () => {
    const user = { uid: 1, home: '/', environment: {} }
    expect(adminSocketPaths({ path: '/a', socket: '/b.sock' }, user)).toEqual(['/b.sock'])
    expect(adminSocketPaths({ path: '/a', socket: 'off' }, user)).toEqual([])
  })
})

function say(path: string, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(path, () => socket.write(text))
    let received = ''
    socket.on('data', chunk => {
      received += chunk.toString()
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(received))
  })
}
