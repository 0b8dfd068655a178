/* What the modules share, as long as the page is open. */

export const state = {
  about: null,  // the public part of the survey
  session: null,  // the state of this participant, from the server
  seen: new Set(),  // the notes that were shown
  current: {},  // what is on the screen: section, view, place in the order, whether it is sending
};
