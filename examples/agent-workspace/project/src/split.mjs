/** What each of so many people pays, in cents. */
export function split(cents, people) {
  const share = Math.floor(cents / people);
  return Array.from({ length: people }, () => share);
}
