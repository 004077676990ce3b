import { expect, it } from 'vitest'
import { isOwnPath, isPlainPath, ProxyPaths } from '../../../src/front/proxy-paths.ts'

it('a plain path is one that no server reads as another', () => {
  for (const path of [
    '/',
    '/x',
    '/x/',
    '/x//y',
    '/x/..y',
    '/x/y..',
    '/x/.y',
    '/x/...',
    '/x/a%20b',
    '/x/%E2%82%AC',
  ])
    expect(isPlainPath(path), path).toBe(true)
  for (const path of ['/x/100%25', '/x/a%2Fb', '/x?../..', '/x?a=%zz', '/x/a;b=c', '/x/a\\b'])
    expect(isPlainPath(path), path).toBe(true)
  for (const path of [
    '/..',
    '/x/../y',
    '/x/..',
    '/x/.',
    '/x/./y',
    '/x/..?q',
    '/x/..;y',
    '/x\\..\\y',
    '/x#y',
    '/x?y#z',
  ])
    expect(isPlainPath(path), path).toBe(false)
  for (const path of ['/x/%2e%2E/y', '/x/..%2fy', '/x%2f..', '/x%5C..', '/x/%252e%252e', '/x/..%3B'])
    expect(isPlainPath(path), path).toBe(false)
  for (const path of ['/x/%', '/x/%2', '/x/%zz', '/x/%u002e', '/x/%00', '/x/%00y'])
    expect(isPlainPath(path), path).toBe(false)
})

it('our own paths', () => {
  for (const path of ['/healthz', '/.well-known', '/.well-known/host-meta', '/.well-known/x/y'])
    expect(isOwnPath(path), path).toBe(true)
  for (const path of ['/', '/healthz/', '/healthzz', '/.well-knownx', '/x/.well-known'])
    expect(isOwnPath(path), path).toBe(false)
})

it('finds by path, whatever the query', () => {
  const paths = new ProxyPaths([
    { path: '/a', to: 'http://127.0.0.1:1' },
    { path: '/a/b/', to: 'http://[::1]:2/p' },
  ])
  const pathOf = (target: string) => paths.find(target)?.path ?? null
  expect(['/a', '/a?/a/b', '/a/c', '/a/bb'].map(pathOf)).toEqual(['/a', '/a', '/a', '/a'])
  expect(['/a/b', '/a/b/', '/a/b/c?d'].map(pathOf)).toEqual(['/a/b/', '/a/b/', '/a/b/'])
  expect(['', '*', '/', '/aa', 'a', '?/a'].map(pathOf)).toEqual([null, null, null, null, null, null])
})
