"use strict";
// Further questions: each answer is a stream of events, and the page stays.
addEventListener("submit", (event) => {
  event.preventDefault();
  const { question } = event.target.elements;
  const source = new EventSource(`answer?question=${encodeURIComponent(question.value)}`);
  const [asked, answer] = [document.createElement("p"), document.createElement("p")];
  asked.className = "question";
  asked.textContent = question.value;
  answer.className = "answer";
  document.getElementById("talk").append(asked, answer);
  question.value = "";
  source.onmessage = ({ data }) => answer.append(data);
  source.onerror = () => answer.append(source.readyState === EventSource.CLOSED ? " (broken off)" : "");
  source.addEventListener("done", () => source.close());
  source.addEventListener("failed", () => source.close());
});
