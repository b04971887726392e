/** The range lies above those that `useradd` gives by itself on a machine with few users. */
export function subordinateRemedy(user: string): string {
  return `sudo usermod --add-subuids 1000000-1065535 --add-subgids 1000000-1065535 ${user}
# Check that no other line of /etc/subuid and /etc/subgid overlaps.`;
}

export const INSTALL_UIDMAP = `sudo apt-get install -y uidmap        # Debian, Ubuntu
sudo dnf install -y shadow-utils       # Fedora, RHEL
sudo apk add shadow-subids             # Alpine`;
