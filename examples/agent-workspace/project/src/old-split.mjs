/** As it was in the first version; nobody uses it any more. */
export const oldSplit = (euros, people) => euros / people;
