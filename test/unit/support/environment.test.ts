import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type EnvironmentMarkers, findEnvironment } from '#src/support/environment.js';
import { DOCKER_MOUNTS, HOST_MOUNTS } from '../../helpers/evidence.js';

function find(markers: Partial<EnvironmentMarkers>): readonly [string | undefined, readonly string[]] {
  const { container, evidence } = findEnvironment({
    files: [],
    variables: {},
    systemdContainer: '',
    cgroups: '0::/user.slice/session-1.scope',
    version: 'Linux version 6.8.0 (builder@host)',
    mounts: HOST_MOUNTS,
    ...markers,
  });
  return [container, evidence];
}

void test('an ordinary machine is no container', () => {
  assert.deepEqual(find({}), [undefined, []]);
});

const SIGNS: readonly (readonly [string, Partial<EnvironmentMarkers>])[] = [
  ['docker', { files: ['/.dockerenv'] }],
  ['docker', { cgroups: '12:memory:/docker/0123abcd' }],
  ['docker', { cgroups: '0::/system.slice/docker-0123abcd.scope' }],
  ['podman', { files: ['/run/.containerenv'] }],
  ['podman', { variables: { container: 'podman' } }],
  ['kubernetes', { variables: { KUBERNETES_SERVICE_HOST: '10.0.0.1' }, files: ['/.dockerenv'] }],
  ['kubernetes', { cgroups: '0::/kubepods.slice/kubepods-burstable.slice' }],
  ['lxc', { variables: { container: 'lxc' } }],
  ['lxc', { systemdContainer: 'lxc\n' }],
  ['lxc', { files: ['/dev/lxd/sock'] }],
  ['systemd-nspawn', { systemdContainer: 'systemd-nspawn\n' }],
  ['flatpak', { files: ['/.flatpak-info'] }],
  ['snap', { variables: { SNAP: '/snap/app/1' } }],
  ['gvisor', { version: 'Linux version 4.4.0 #1 SMP Sun Jan 10 15:06:54 PST 2016\n', files: ['/.dockerenv'] }],
  ['wsl', { version: 'Linux version 5.15.153.1-microsoft-standard-WSL2' }],
  ['other', { variables: { container: 'oci' } }],
  ['other', { mounts: DOCKER_MOUNTS }],
];

for (const [container, markers] of SIGNS) {
  void test(`${container} by ${JSON.stringify(Object.keys(markers))}, with the fact`, () => {
    const [found, evidence] = find(markers);
    assert.equal(found, container);
    assert.ok(evidence.length > 0);
  });
}
