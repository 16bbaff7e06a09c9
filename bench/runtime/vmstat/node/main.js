let samples=0,busy=0,waiting=0,most=0;const queue=new Map();
const text=require("fs").readFileSync(process.argv[2],"utf8");
for(const line of text.split("\n")){ if(!line)continue; const w=line.trim().split(/ +/);
 const us=parseInt(w[12]),sy=parseInt(w[13]),wa=parseInt(w[15]),free=parseInt(w[3]),r=parseInt(w[0]);
 samples++;busy+=us+sy;if(wa>50)waiting++;if(free>most)most=free;queue.set(r,(queue.get(r)||0)+1);}
let common=0;for(let r=0;r<20;r++)if((queue.get(r)||0)>(queue.get(common)||0))common=r;
console.log(samples+" "+busy+" "+waiting+" "+most+" "+queue.size+" "+common);
