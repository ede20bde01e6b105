// What the service is asked.

const $ = (id) => document.getElementById(id);

export const pause = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));

export async function ask(path, form) {
  for (;;) {
    const token = sessionStorage.getItem("token");
    const headers = token ? { authorization: `Bearer ${token}` } : {};
    const answer = await fetch(path, form ? { method: "POST", body: form, headers } : { headers });
    if (answer.status === 401) await askToken();
    else if (answer.status === 429) await pause(Number(answer.headers.get("retry-after")) || 1);
    else {
      const said = await answer.json();
      if (!answer.ok) throw new Error(said.message);
      return said;
    }
  }
}

function askToken() {
  const dialog = $("token");
  if (!dialog.open) dialog.showModal();
  return new Promise((done) =>
    dialog.addEventListener(
      "close",
      () => {
        sessionStorage.setItem("token", $("token-value").value);
        done();
      },
      { once: true },
    ),
  );
}

export function formOf(field, file, name) {
  const form = new FormData();
  form.append(field, file, name);
  return form;
}

export async function score(file, name) {
  return (await ask("v1/score", formOf("images", file, name))).images[0];
}
