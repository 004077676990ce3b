import { embedded } from '../../../src/hosts/index.ts'
import { AnsweredComponent } from '../../kit/component.ts'
import { hostCompliance } from '../../kit/host-compliance.ts'

hostCompliance('embedded', () => embedded())
hostCompliance('embedded with echo', () => embedded({ echo: true }))
hostCompliance('embedded with handlers', () =>
  embedded({
    accounts: localpart => localpart !== 'nobody',
    onMessage: (message, { reply }) => reply(message.id),
    onIq: [{ type: 'get', name: 'calc', namespace: 'urn:example:calc', handle: () => undefined }],
    onPresence: () => undefined,
  }),
)
hostCompliance('component', () => new AnsweredComponent())
