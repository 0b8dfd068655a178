/* The kinds of screens, by the names that the server uses. A new kind is a module here, and a line below.

   A kind is a class with these static members:
     repeats, free   whether screens can come twice, and whether no answer is wrong: notes say so
     notes(block)    what participants should know before the block, as a list of texts
     wording()       the question, if the server sends none with the screen
   and the messages KIND.number, KIND.practice and KIND.test of the language, if its screens have sounds.

   An object of it is the view of one screen. It is made with
     box             the element to draw into
     block           the settings of the block, from the server
     wording         the question
     paths           where the sounds are, for `sound` of server.js
     changed()       to be called whenever `ready` may have changed
     hint(text)      says what the participant should do next
   and has
     load()          a promise that the sounds can be played
     ready           whether the answer is complete
     give()          the answer as the server stores it; null, if the participant has to correct something first
     plays           how often each sound was played
     keys            lines for the help: [keys, message, values], where keys are a message or a list of keys
     press(key)      handle a key that was pressed; return whether it is one of the view
     lock(on)        whether nothing can be changed, while the answer is on its way
     stop(), close() be silent, for now or for good */

import {ABX} from "./abx.js";
import {Mushra} from "./mushra.js";
import {Pair} from "./pair.js";
import {Questionnaire} from "./questionnaire.js";
import {Rating} from "./rating.js";

export const KINDS = {abx: ABX, mushra: Mushra, pair: Pair, questionnaire: Questionnaire, rating: Rating};
