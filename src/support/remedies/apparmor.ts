/** A profile that confines nothing and permits user namespaces, for the one program that makes them. */
export function apparmorProfile(program: string): string {
  return `abi <abi/4.0>,
include <tunables/global>

profile spawn-sandbox ${quoted(program)} flags=(unconfined) {
  userns,
  include if exists <local/spawn-sandbox>
}`;
}

export function apparmorRemedy(program: string): string {
  return `# Permit user namespaces to the spawner of this app, and to nothing else:
sudo tee /etc/apparmor.d/spawn-sandbox <<'PROFILE'
${apparmorProfile(program)}
PROFILE
sudo apparmor_parser -r /etc/apparmor.d/spawn-sandbox
# The profile names the program by its path: only root should be able to replace that file.

# Or, for every program of this machine, which gives up the protection that Ubuntu meant:
sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`;
}

/** What has a meaning in the paths of AppArmor is taken literally. */
function quoted(path: string): string {
  return `"${path.replace(/["\\?*[\]{}^@]/g, String.raw`\$&`)}"`;
}
